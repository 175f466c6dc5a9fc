//! The inputs of `gor-replay`, some of which may be replayed faster than others: `'shop.gor|200%'`.

use std::path::Path;
use std::sync::Arc;

use crate::Result;
use crate::endpoint::{self, ReadOptions};
use crate::observe::Meter;
use crate::pace::Speed;
use crate::replay::InputPart;

/// Names that are read together, and how fast.
#[derive(Clone, Debug)]
struct Part {
    names: Vec<String>,
    speed: Speed,
}

/// The input, as often as it is read at the same time.
pub(super) struct OpenInputs {
    pub(super) inputs: Vec<Vec<InputPart>>,
    /// How far each of them is read.
    pub(super) meters: Vec<Arc<Meter>>,
}

/// What is read, in the order in which it was named.
#[derive(Clone, Debug)]
pub(super) struct Inputs {
    parts: Vec<Part>,
}

impl Inputs {
    pub(super) fn new(named: &[String]) -> Self {
        let mut parts: Vec<Part> = Vec::new();
        for name in named {
            let (name, speed) = split(name);
            match parts.last_mut() {
                Some(part) if part.speed == speed => part.names.push(name.to_owned()),
                _ => parts.push(Part { names: vec![name.to_owned()], speed }),
            }
        }
        if parts.is_empty() {
            parts.push(Part { names: Vec::new(), speed: Speed::RECORDED });
        }
        Inputs { parts }
    }

    /// All names, without their speeds.
    pub(super) fn names(&self) -> Vec<String> {
        self.parts.iter().flat_map(|part| part.names.clone()).collect()
    }

    /// Opens all of them, so that what is missing is told before anything is sent.
    pub(super) fn open(&self, reading: &ReadOptions) -> Result<Vec<InputPart>> {
        let open = |part: &Part| {
            let (names, reading) = (part.names.clone(), reading.clone());
            let mut first = Some(endpoint::open(&names, &reading)?);
            let open = Box::new(move || first.take().map_or_else(|| endpoint::open(&names, &reading), Ok));
            Ok(InputPart { open, speed: part.speed })
        };
        self.parts.iter().map(open).collect()
    }

    /// The same for each of so many targets, if those read at their own pace.
    pub(super) fn open_for(&self, targets: usize, reading: &ReadOptions) -> Result<OpenInputs> {
        let mut inputs = vec![self.open(reading)?];
        let mut meters = vec![Arc::clone(&reading.meter)];
        for _ in 1..targets {
            // What is to be said of the input is said once.
            let reading = ReadOptions { tell: |_| {}, meter: Arc::default(), ..reading.clone() };
            inputs.push(self.open(&reading)?);
            meters.push(reading.meter);
        }
        Ok(OpenInputs { inputs, meters })
    }
}

/// A name and the speed behind it. A file that has such a name is that file.
fn split(name: &str) -> (&str, Speed) {
    match name.rsplit_once('|') {
        Some((file, speed)) if !Path::new(name).exists() => {
            speed.parse().map_or((name, Speed::RECORDED), |speed| (file, speed))
        }
        _ => (name, Speed::RECORDED),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_of_one_speed_are_read_together() {
        let named = ["a.gor", "b.gor", "c.gor|200%", "d.gor|2x", "e|f", "g|50%"].map(str::to_owned);
        let inputs = Inputs::new(&named);
        let shown: Vec<_> =
            inputs.parts.iter().map(|part| (part.names.join(" "), part.speed.to_string())).collect();
        let expected = [("a.gor b.gor", "1x"), ("c.gor d.gor", "2x"), ("e|f", "1x"), ("g", "0.5x")];
        assert_eq!(shown, expected.map(|(names, speed)| (names.to_owned(), speed.to_owned())));
        assert!(Inputs::new(&[]).names().is_empty());
    }
}
