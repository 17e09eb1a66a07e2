//! Where fuzzing begins: parts of the cases, in the form that each target of `fuzz/` reads.

use std::borrow::Cow;

use crate::{PROBE, all};

/// Octets for a target of `fuzz/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seed {
    /// The target's name.
    pub target: &'static str,
    /// The case that it is made from.
    pub id: Cow<'static, str>,
    /// What the target reads.
    pub octets: Vec<u8>,
}

/// The seeds of all short cases.
#[must_use]
pub fn seeds() -> Vec<Seed> {
    let mut seeds = Vec::new();
    for (index, case) in all().into_iter().enumerate().filter(|(_, case)| case.octets.len() < 1000) {
        // How the octets are cut, and whether the limits are small: the same in every run, another for each case.
        let choice = u8::try_from(index * 37 % 256).unwrap_or_default();
        let mut add = |target, head: &[u8], octets: &[&[u8]]| {
            seeds.push(Seed { target, id: case.id.clone(), octets: [head, &octets.concat()].concat() });
        };
        let octets = &case.octets[..];
        add("connection", &[choice & 0x7f, choice, 1], &[octets, PROBE]);
        add("head", &[choice & 0x7f], &[octets]);
        let target = octets.split(|octet| *octet == b' ').nth(1).unwrap_or_default();
        add("target", &[choice & 0x7f], &[target]);
        let lines: Vec<_> = octets.split(|octet| *octet == b'\n').map(<[u8]>::trim_ascii).collect();
        let mut lengths = Vec::new();
        let mut http2 =
            [octets.split(|octet| *octet == b' ').next().unwrap_or_default(), b"\nhttp://a", target].concat();
        for line in lines.iter().skip(1).take_while(|line| !line.is_empty()) {
            let colon = line.iter().position(|octet| *octet == b':').unwrap_or(line.len());
            let (name, value) =
                (line[..colon].to_ascii_lowercase(), line.get(colon + 1..).unwrap_or_default());
            let value = value.trim_ascii();
            let (lines, line) = match &name[..] {
                b"transfer-encoding" => (&mut lengths, [b"T", value, b"\n"].concat()),
                b"content-length" => (&mut lengths, [b"L", value, b"\n"].concat()),
                b"host" => continue,
                _ => (&mut http2, [b"\n", &name[..], b":", value].concat()),
            };
            lines.extend_from_slice(&line);
        }
        add("http2_rules", &[], &[&http2]);
        if !lengths.is_empty() {
            add("lengths", &[choice & 0x7e], &[&lengths]);
        }
        if lengths.starts_with(b"T")
            && let Some(end) = octets.windows(4).position(|four| four == b"\r\n\r\n")
        {
            add("chunked", &[choice & 0x7f], &[&octets[end + 4..]]);
        }
    }
    seeds
}
