//! Any recording, in every view of gor-show: nothing panics, nothing reaches a terminal that would control it, JSON is JSON.
#![no_main]

use gor_tools::record::{Block, Reader, ReaderOptions, Source};
use gor_tools::show::{
    By, Compared, Comparison, FullMessage, Joiner, LineStyle, MessagePart, Overview, RecordingSide,
    TrafficSummary, has_replayed, write_json,
};
use jiff::tz::TimeZone;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((&choice, text)) = data.split_first() else { return };
    let width = (choice % 2 == 0).then_some(usize::from(choice));
    let line = LineStyle { zone: TimeZone::UTC, width, is_coloured: false };
    let by =
        [None, Some(By::Header("a".into())), Some(By::Cookie("a".into()))][usize::from(choice) % 3].clone();
    let mut overview = Overview::new(TrafficSummary::new(None, by));
    let mut messages = Joiner::<FullMessage>::default();
    let mut compared = [Joiner::<Compared>::patient(), Joiner::<Compared>::default()];
    let mut comparison = Comparison::default();
    let (mut out, mut json) = (String::new(), String::new());

    let mut source = Reader::new(text, ReaderOptions::default());
    let mut block = Block::new();
    while source.read_block(&mut block).expect("bytes in memory are readable") {
        if has_replayed(&block) {
            messages.expect_replayed();
        }
        overview.add(&block);
        for record in block.iter() {
            messages.take(&record, |exchange| show(&line, &exchange, &mut out, &mut json));
            for (joiner, side) in compared.iter_mut().zip([RecordingSide::Before, RecordingSide::After]) {
                joiner.take(&record, |exchange| compare(&mut comparison, &line, side, exchange, &mut out));
            }
        }
    }
    messages.finish(|exchange| show(&line, &exchange, &mut out, &mut json));
    for (joiner, side) in compared.iter_mut().zip([RecordingSide::Before, RecordingSide::After]) {
        joiner.finish(|exchange| compare(&mut comparison, &line, side, exchange, &mut out));
    }
    let _ = comparison.finish();
    let summary = overview.finish();
    out.push_str(&summary.text(&TimeZone::UTC, 10));
    let mut object = String::new();
    summary.write_json(10, &mut object);

    for line in json.lines().chain([object.as_str()]) {
        let _: serde_json::Value = serde_json::from_str(line).expect("JSON");
    }
    for text in [out, json, object] {
        let control = text.chars().find(|sign| sign.is_control() && !matches!(sign, '\n' | '\t'));
        assert_eq!(control, None, "{text:?}");
    }
});

fn show(
    line: &LineStyle,
    exchange: &gor_tools::show::Exchange<FullMessage>,
    out: &mut String,
    json: &mut String,
) {
    for part in [MessagePart::Heads, MessagePart::Bodies, MessagePart::Raw] {
        line.write_full(exchange, part, out);
    }
    write_json(exchange, json);
}

fn compare(
    comparison: &mut Comparison,
    line: &LineStyle,
    side: RecordingSide,
    exchange: gor_tools::show::Exchange<Compared>,
    out: &mut String,
) {
    if let Some(difference) = comparison.take(side, exchange) {
        line.write_noted(&difference.exchange, difference.note.as_deref(), out);
    }
}
