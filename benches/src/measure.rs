//! Interleaved rounds and their medians.

use std::time::{Duration, Instant};

/// Rounds per contender; the median of 15 ignores seven bad ones.
pub const ROUNDS: usize = 15;

/// A contender in process.
pub struct Contender {
    /// Its name in the table.
    pub name: &'static str,
    /// Runs as many times as it is told, and must not be optimised away.
    pub run: Box<dyn FnMut(u32)>,
}

impl std::fmt::Debug for Contender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Contender").field(&self.name).finish()
    }
}

/// Nanoseconds per iteration of each contender, median over interleaved rounds.
pub fn interleave(contenders: &mut [Contender]) -> Vec<(&'static str, f64)> {
    let counts: Vec<u32> = contenders.iter_mut().map(|c| calibrate(&mut c.run)).collect();
    let mut samples = vec![Vec::with_capacity(ROUNDS); contenders.len()];
    for _ in 0..ROUNDS {
        for ((contender, count), samples) in contenders.iter_mut().zip(&counts).zip(&mut samples) {
            let start = Instant::now();
            (contender.run)(*count);
            samples.push(start.elapsed().as_secs_f64() * 1e9 / f64::from(*count));
        }
    }
    contenders.iter().zip(samples).map(|(c, samples)| (c.name, median(samples))).collect()
}

/// Iterations that take about 20 ms.
fn calibrate(run: &mut dyn FnMut(u32)) -> u32 {
    let mut count = 64;
    loop {
        let start = Instant::now();
        run(count);
        if start.elapsed() > Duration::from_millis(20) || count > 1 << 26 {
            return count;
        }
        count *= 2;
    }
}

/// The middle one.
#[must_use]
pub fn median(mut samples: Vec<f64>) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples.get(samples.len() / 2).copied().unwrap_or(f64::NAN)
}
