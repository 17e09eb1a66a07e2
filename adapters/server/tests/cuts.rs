//! What is answered does not depend on how the octets are cut: the corpus, changed at random, in pieces of random sizes.

mod support;

use std::time::Duration;

use bivalve_http_corpus::{Case, PROBE, Then, all, ask};
use support::says::pipeline;
use support::{DRIVERS, start};

/// Marsaglia's xorshift: the same numbers in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound.max(1) as u64).unwrap_or_default()
    }
}

/// What requests are made of, and what breaks them.
const WORDS: [&[u8]; 20] = [
    b"\r\n",
    b"\n",
    b"\r",
    b"\0",
    b" ",
    b"\t",
    b":",
    b",",
    b";",
    b"0",
    b"1",
    b"f",
    b"\r\n\r\n",
    b"chunked",
    b"Content-Length: 3\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Connection: close\r\n",
    b"0\r\n\r\n",
    b"Expect: 100-continue\r\n",
    b"\xff",
];

fn mutate(octets: &[u8], random: &mut Random) -> Vec<u8> {
    let mut mutated = octets.to_vec();
    for _ in 0..=random.below(3) {
        let at = random.below(mutated.len() + 1);
        let end = (at + random.below(4)).min(mutated.len());
        match random.below(4) {
            0 => drop(mutated.drain(at..end)),
            1 => drop(mutated.splice(at..end, WORDS[random.below(WORDS.len())].iter().copied())),
            2 => drop(mutated.splice(at..at, WORDS[random.below(WORDS.len())].iter().copied())),
            _ => {
                let again = mutated[at..end].to_vec();
                mutated.splice(at..at, again);
            }
        }
    }
    mutated
}

/// The answers, without the word to go on: who is told it depends on how much of a body is there.
fn heard(address: std::net::SocketAddr, octets: &[u8], pieces: usize) -> String {
    let case = Case {
        id: "mutated".into(),
        rule: "",
        octets: octets.to_vec(),
        answers: Vec::new(),
        then: Then::Cut,
        says: None,
    };
    let heard = ask(address, &case, pieces, Duration::from_secs(20)).expect("an answer");
    let text = heard.text.replace("HTTP/1.1 100 Continue\r\n\r\n", "");
    let lines = text.split_inclusive("\r\n").filter(|line| !line.starts_with("date: "));
    lines.collect()
}

#[test]
fn answers_do_not_depend_on_how_the_octets_are_cut() {
    let pipeline = pipeline();
    let cases: Vec<_> = all().into_iter().filter(|case| case.octets.len() < 1000).collect();
    let open: Vec<_> = cases.iter().filter(|case| case.then == Then::Open).collect();
    let servers: Vec<_> = DRIVERS.iter().map(|driver| (driver, start(driver, &pipeline))).collect();
    let mut random = Random(0x2026_1122);
    let mut wrong = Vec::new();
    for _ in 0..ROUNDS {
        // Sound ones, behind which something follows; one that is changed; one more.
        let mut octets = Vec::new();
        for _ in 0..3 {
            octets.extend_from_slice(&open[random.below(open.len())].octets);
        }
        octets.extend(mutate(&cases[random.below(cases.len())].octets, &mut random));
        octets.extend_from_slice(&cases[random.below(cases.len())].octets);
        octets.extend_from_slice(PROBE);
        let whole = heard(servers[0].1.addresses()[0], &octets, octets.len());
        for (driver, server) in &servers {
            for pieces in [octets.len(), 1, 2 + random.below(40)] {
                let heard = heard(server.addresses()[0], &octets, pieces);
                if heard != whole {
                    let octets = String::from_utf8_lossy(&octets);
                    wrong.push(format!("{driver} in {pieces}: {octets:?}\n  {heard:?}\n  {whole:?}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// Under Wine a connection takes some ten times as long.
const ROUNDS: usize = if cfg!(windows) { 30 } else { 300 };
