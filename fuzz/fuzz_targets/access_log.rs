//! Any bytes as an access log, in a format that is known, recognised, or itself any text, cut in any way, give the same
//! records.
#![no_main]

use gor_tools::interchange::{LogFormat, LogSource};
use libfuzzer_sys::fuzz_target;
use reading::{Pieces, read_all, way_of_reading};

mod reading;

const FORMATS: [&str; 6] = [
    "combined",
    "common",
    "vhost_combined",
    "json",
    "$msec $remote_addr:$remote_port $server_port $request_time $request_method $uri $args $server_protocol $status",
    "[$time_iso8601] $scheme://$http_host|$request|$body_bytes_sent|$content_length|$http_x_a|$sent_http_b|$remote_user",
];

fuzz_target!(|data: &[u8]| {
    let [format, choice, text @ ..] = data else { return };
    let (format, text) = match usize::from(*format) {
        known if known < FORMATS.len() => (LogFormat::parse(FORMATS[known]).ok(), text),
        255 => {
            // The first line is the format.
            let end = text.iter().position(|byte| *byte == b'\n').unwrap_or(text.len());
            let format = str::from_utf8(&text[..end]).ok().and_then(|format| LogFormat::parse(format).ok());
            (format, &text[end..])
        }
        _ => (LogFormat::of(text), text),
    };
    let Some(format) = format else { return };
    let (options, size) = way_of_reading(*choice);
    let whole = read_all(LogSource::new(text, format.clone(), options));
    assert_eq!(whole, read_all(LogSource::new(Pieces::new(text, size), format, options)));
});
