//! The inputs of `gor-replay`, some of which may be replayed faster than others: `'shop.gor|200%'`.

use std::path::Path;
use std::sync::Arc;

use crate::Result;
use crate::endpoint::{self, ReadOptions};
use crate::observe::Meter;
use crate::pace::Speed;
use crate::record::NAMED_PARTS;
use crate::replay::{InputPart, Shard};

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
    /// Of names with `%p` those are read that may have records of the shard.
    pub(super) fn new(named: &[String], shard: Option<Shard>) -> Self {
        let mut parts: Vec<Part> = Vec::new();
        for name in named {
            let (name, speed) = split(name);
            let name = in_shard(name, shard);
            match parts.last_mut() {
                Some(part) if part.speed == speed => part.names.push(name),
                _ => parts.push(Part { names: vec![name], speed }),
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

    /// The speed of all of them; none if they have several.
    pub(super) fn speed(&self) -> Option<Speed> {
        let first = self.parts.first()?.speed;
        self.parts.iter().all(|part| part.speed == first).then_some(first)
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

/// A name with a pattern in place of `%p`, as gor-record names the parts of a recording by it. A file that has such a
/// name is that file.
fn in_shard(name: &str, shard: Option<Shard>) -> String {
    if !name.contains("%p") || Path::new(name).exists() {
        return name.to_owned();
    }
    let parts: Vec<u64> = match shard {
        Some(shard) => shard.overlaps(NAMED_PARTS).collect(),
        None => (0..NAMED_PARTS).collect(),
    };
    let digits: String = parts.iter().filter_map(|part| char::from_digit(*part as u32, 16)).collect();
    name.replace("%p", &format!("[{digits}]"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_in_names_are_those_of_the_shard() {
        for (shard, expected) in [
            (None, "s3://b/*-[0123456789abcdef].gor"),
            (Some("1/1"), "s3://b/*-[0123456789abcdef].gor"),
            (Some("2/2"), "s3://b/*-[13579bdf].gor"),
            (Some("4/4"), "s3://b/*-[37bf].gor"),
            (Some("11/16"), "s3://b/*-[a].gor"),
            (Some("19/32"), "s3://b/*-[2].gor"),
            (Some("3/6"), "s3://b/*-[02468ace].gor"),
            (Some("2/3"), "s3://b/*-[0123456789abcdef].gor"),
        ] {
            let shard = shard.map(|shard| shard.parse().expect("a shard"));
            assert_eq!(in_shard("s3://b/*-%p.gor", shard), expected, "{shard:?}");
        }
        assert_eq!(in_shard("a.gor", None), "a.gor");
    }

    #[test]
    fn neighbours_of_one_speed_are_read_together() {
        let named = ["a.gor", "b.gor", "c.gor|200%", "d.gor|2x", "e|f", "g|50%"].map(str::to_owned);
        let inputs = Inputs::new(&named, None);
        let shown: Vec<_> =
            inputs.parts.iter().map(|part| (part.names.join(" "), part.speed.to_string())).collect();
        let expected = [("a.gor b.gor", "1x"), ("c.gor d.gor", "2x"), ("e|f", "1x"), ("g", "0.5x")];
        assert_eq!(shown, expected.map(|(names, speed)| (names.to_owned(), speed.to_owned())));
        assert!(Inputs::new(&[], None).names().is_empty());
    }
}
