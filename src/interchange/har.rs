//! What a HAR 1.2 file consists of, as far as it is read here.

use serde::Deserialize;

/// A request and what became of it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct HarEntry {
    pub(super) started_date_time: String,
    /// Milliseconds.
    #[serde(default)]
    pub(super) time: Option<f64>,
    pub(super) request: HarRequest,
    #[serde(default)]
    pub(super) response: Option<HarResponse>,
    #[serde(default)]
    pub(super) timings: HarTimings,
    #[serde(default)]
    pub(super) connection: Option<HarText>,
    /// The id of the records, in files that were written here.
    #[serde(default, rename = "_id")]
    pub(super) id: Option<HarText>,
    /// Whether the response is that of a replay, in files that were written here.
    #[serde(default, rename = "_replayed")]
    pub(super) is_replayed: Option<bool>,
    #[serde(default, rename = "_webSocketMessages")]
    pub(super) frames: Vec<serde::de::IgnoredAny>,
}

/// A string; some programs write numbers.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum HarText {
    Text(String),
    Number(i64),
}

impl std::fmt::Display for HarText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            HarText::Text(text) => f.write_str(text),
            HarText::Number(number) => number.fmt(f),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct HarRequest {
    pub(super) method: String,
    pub(super) url: String,
    #[serde(default)]
    pub(super) http_version: String,
    #[serde(default)]
    pub(super) headers: Vec<HarNameValue>,
    #[serde(default)]
    pub(super) post_data: Option<HarPostData>,
    /// Bytes that were sent, as far as is known.
    #[serde(default)]
    pub(super) body_size: Option<f64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct HarPostData {
    #[serde(default)]
    pub(super) mime_type: String,
    #[serde(default)]
    pub(super) text: Option<String>,
    #[serde(default)]
    pub(super) params: Vec<HarNameValue>,
    /// HAR has none for requests; some programs have it nevertheless.
    #[serde(default, alias = "_encoding")]
    pub(super) encoding: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct HarNameValue {
    pub(super) name: String,
    #[serde(default)]
    pub(super) value: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct HarResponse {
    #[serde(default)]
    pub(super) status: f64,
    #[serde(default)]
    pub(super) status_text: Option<String>,
    #[serde(default)]
    pub(super) http_version: String,
    #[serde(default)]
    pub(super) headers: Vec<HarNameValue>,
    #[serde(default)]
    pub(super) content: HarContent,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct HarContent {
    /// Bytes without codings; negative where nobody knows.
    #[serde(default)]
    pub(super) size: Option<f64>,
    #[serde(default)]
    pub(super) mime_type: Option<String>,
    #[serde(default)]
    pub(super) text: Option<String>,
    #[serde(default)]
    pub(super) encoding: Option<String>,
}

/// Milliseconds; negative or absent where something did not happen.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct HarTimings {
    pub(super) blocked: Option<f64>,
    pub(super) dns: Option<f64>,
    pub(super) connect: Option<f64>,
    pub(super) send: Option<f64>,
    pub(super) wait: Option<f64>,
    pub(super) receive: Option<f64>,
}

/// Nanoseconds of a duration in milliseconds, which is none if it is negative.
pub(super) fn nanoseconds(milliseconds: Option<f64>) -> i64 {
    // A cast of what is out of range gives the nearest number.
    (milliseconds.unwrap_or(0.0).max(0.0) * 1e6).round() as i64
}
