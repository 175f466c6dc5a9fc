//! Lines of JSON as nginx, Caddy, Traefik, Envoy and others log them.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::entry::{LogEntry, LogField, SECOND, header_name};

/// What wrote a line, where keys of the same name mean different things.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Program {
    /// It has an object of the request.
    Caddy,
    /// It has a key `response_code`.
    Envoy,
    Other,
}

/// A line of JSON, and the fields that its keys mean.
#[derive(Debug)]
pub(super) struct JsonLine(Vec<(LogField, String)>);

impl JsonLine {
    /// Reads the keys that are known. None: the line is no JSON object.
    pub(super) fn parse(line: &[u8]) -> Option<Self> {
        let object: Map<String, Value> = serde_json::from_slice(line).ok()?;
        let mut fields = Vec::new();
        let program = if object.get("request").is_some_and(Value::is_object) {
            Program::Caddy
        } else if object.contains_key("response_code") {
            Program::Envoy
        } else {
            Program::Other
        };
        add_all(&object, program, &mut fields);
        Some(JsonLine(fields))
    }

    /// What the line says.
    pub(super) fn entry(&self) -> Result<LogEntry<'_>, &'static str> {
        let mut entry = LogEntry::default();
        for (field, value) in &self.0 {
            // Caddy's word for what it does not log.
            if matches!(field, LogField::Header(_)) && value == "REDACTED" {
                entry.has_user = true;
                continue;
            }
            match entry.set(field, Cow::Borrowed(value.as_bytes())) {
                // A key of this name may be anything else; there is another one, or no time.
                Err(_) if matches!(field, LogField::Time | LogField::Start) => {}
                set => set?,
            }
        }
        Ok(entry)
    }
}

/// Whether a line is an object that says of itself that it is a record, as those of gor-jsonl(5) do.
pub(super) fn is_record(line: &[u8]) -> bool {
    let object: Option<Map<String, Value>> = serde_json::from_slice(line).ok();
    let kind = object.as_ref().and_then(|object| object.get("kind")?.as_str());
    kind.is_some_and(|kind| matches!(kind, "request" | "response" | "replayed"))
}

/// Adds the fields of an object.
fn add_all(object: &Map<String, Value>, program: Program, fields: &mut Vec<(LogField, String)>) {
    for (key, value) in object {
        match (key.as_str(), value) {
            ("request", Value::Object(request)) => add_all(request, program, fields),
            ("headers" | "request_headers", Value::Object(headers)) => {
                add_headers(headers, LogField::Header, fields);
            }
            ("resp_headers" | "response_headers", Value::Object(headers)) => {
                add_headers(headers, LogField::ResponseHeader, fields);
            }
            (_, Value::String(text)) => fields.extend(field(key, program).map(|field| (field, text.clone()))),
            (_, Value::Number(number)) => {
                fields.extend(field(key, program).map(|field| (field, number.to_string())));
            }
            _ => {}
        }
    }
}

fn add_headers(
    headers: &Map<String, Value>,
    field: fn(String) -> LogField,
    fields: &mut Vec<(LogField, String)>,
) {
    for (name, value) in headers {
        let values = match value {
            Value::Array(values) => values.as_slice(),
            other => std::slice::from_ref(other),
        };
        fields.extend(
            values.iter().filter_map(|value| Some((field(name.clone()), value.as_str()?.to_owned()))),
        );
    }
}

/// What a key means.
fn field(key: &str, program: Program) -> Option<LogField> {
    Some(match key {
        "time" | "ts" | "timestamp" | "@timestamp" => LogField::Time,
        "start_time" | "StartUTC" | "StartLocal" => LogField::Start,
        "duration" if program == Program::Caddy => LogField::Duration(SECOND),
        "duration" if program == Program::Envoy => LogField::Duration(1e6),
        // Others count heads as well.
        "bytes_sent" if program == Program::Envoy => LogField::Size,
        "bytes_received" if program == Program::Envoy => LogField::RequestSize,
        "Duration" => LogField::Duration(1.0),
        "remote_ip" | "client_ip" | "clientip" | "client" | "ClientAddr" | "downstream_remote_address" => {
            LogField::Client
        }
        "ClientPort" => LogField::ClientPort,
        "method" | "verb" | "RequestMethod" => LogField::Method,
        "uri" | "url" | "path" | "target" | "RequestPath" => LogField::Target,
        "query" | "request_query" => LogField::Query,
        "proto" | "protocol" | "request_proto" | "RequestProtocol" => LogField::Protocol,
        "RequestScheme" => LogField::Scheme,
        "response_code" | "status_code" | "DownstreamStatus" => LogField::Status,
        "size" | "bytes" | "DownstreamContentSize" => LogField::Size,
        "bytes_read" | "RequestContentSize" => LogField::RequestSize,
        "vhost" | "authority" | "RequestHost" => LogField::Host(2),
        "user_id" | "user" | "ClientUsername" => LogField::User,
        "user_agent" | "useragent" | "agent" => LogField::Header("User-Agent".to_owned()),
        "referer" | "referrer" | "http_referrer" => LogField::Header("Referer".to_owned()),
        "x_forwarded_for" => LogField::Header("X-Forwarded-For".to_owned()),
        _ => match (key.strip_prefix("request_"), LogField::named(key)) {
            (_, Some(field)) => field,
            // Traefik has headers so, in their own spelling.
            (Some(header), None) if header.starts_with(|first: char| first.is_ascii_uppercase()) => {
                LogField::Header(header_name(header))
            }
            _ => return None,
        },
    })
}
