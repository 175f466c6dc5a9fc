//! What went wrong with a request, in words that say what to set; and whether another try may help.

use std::error::Error as StdError;
use std::future::Future;
use std::time::Duration;

use super::super::backoff::jittered;
use aws_config::SdkConfig;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};

/// Tries of a request that brings nothing.
pub(super) const TRIES: u32 = 6;

/// A try that the server does not answer counts as so many: each takes its time.
const SILENT_COUNTS: u32 = 2;

/// The longest wait before the second try; each further one is up to twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(200);

/// The longest wait of all.
const LAST_WAIT: Duration = Duration::from_mins(1);

/// A request that failed.
#[derive(Debug)]
pub(super) struct Trouble {
    pub(super) text: String,
    pub(super) may_pass: bool,
    /// The server's answer, where it gave one.
    pub(super) status: Option<u16>,
    /// Whether the credentials are good, but not for this.
    pub(super) is_denied: bool,
    /// Whether the server said nothing at all, which took its time.
    pub(super) is_silent: bool,
}

/// Whom a request goes to, and as whom: what its trouble may be due to.
#[derive(Clone, Debug)]
pub(super) struct Server {
    /// The endpoint that was set; none is Amazon's.
    pub(super) endpoint: Option<String>,
    pub(super) region: String,
    pub(super) is_anonymous: bool,
    /// Whether objects are written, and not read.
    pub(super) is_written: bool,
}

impl Server {
    pub(super) fn of(config: &SdkConfig, endpoint: Option<String>, region: String) -> Self {
        Server { endpoint, region, is_anonymous: config.credentials_provider().is_none(), is_written: false }
    }

    /// The same, as whoever writes sees it.
    pub(super) fn written(&self) -> Self {
        Server { is_written: true, ..self.clone() }
    }

    pub(super) fn name(&self) -> String {
        match &self.endpoint {
            Some(endpoint) => endpoint.clone(),
            None => format!("S3 in region {}", self.region),
        }
    }

    /// What a failed request is to the user.
    pub(super) fn trouble<E>(&self, error: &SdkError<E, HttpResponse>) -> Trouble
    where
        E: ProvideErrorMetadata + StdError + 'static,
    {
        let passing = |text: String| Trouble { may_pass: true, ..lasting(&text) };
        match error {
            SdkError::ServiceError(refusal) => self.refusal(refusal.raw(), refusal.err()),
            SdkError::TimeoutError(_) => passing(format!("no answer from {} in time", self.name())),
            SdkError::DispatchFailure(failure) => {
                let reason = failure.as_connector_error().map_or_else(String::new, |error| innermost(error));
                if failure.is_user() {
                    lasting(&format!("cannot ask {}: {reason}", self.name()))
                } else {
                    // A connection that ends before the answer is none of the kinds, either.
                    passing(self.unreachable(&reason))
                }
            }
            SdkError::ResponseError(answer) => {
                let text =
                    format!("{} gave an answer that cannot be read: {}", self.name(), innermost(error));
                Trouble { status: Some(answer.raw().status().as_u16()), ..passing(text) }
            }
            other => lasting(&innermost(other)),
        }
    }

    fn unreachable(&self, reason: &str) -> String {
        let set = match self.endpoint {
            Some(_) => "AWS_ENDPOINT_URL",
            None => "the network, or AWS_ENDPOINT_URL for a server other than Amazon's",
        };
        format!("cannot connect to {}: {reason}; check {set}", self.name())
    }

    /// The server's own error.
    fn refusal(&self, answer: &HttpResponse, error: &impl ProvideErrorMetadata) -> Trouble {
        let status = answer.status().as_u16();
        let code = error.code().unwrap_or_default();
        let region = answer.headers().get("x-amz-bucket-region");
        let text = match (code, status) {
            ("NoSuchBucket", _) => format!("there is no such bucket at {}", self.name()),
            ("NoSuchKey", _) => "there is no such object".to_owned(),
            ("PreconditionFailed", _) | (_, 412) if self.is_written => "there is an object of this key".to_owned(),
            ("PreconditionFailed", _) | (_, 412) => "the object was changed while it was read".to_owned(),
            ("InvalidAccessKeyId", _) => {
                "the server does not know this access key: check AWS_ACCESS_KEY_ID or AWS_PROFILE".to_owned()
            }
            ("SignatureDoesNotMatch", _) => {
                "the secret key does not fit the access key: check AWS_SECRET_ACCESS_KEY or AWS_PROFILE".to_owned()
            }
            ("ExpiredToken" | "InvalidToken" | "TokenRefreshRequired", _) => {
                "the session token is not valid any more: log in again, or check AWS_SESSION_TOKEN and AWS_PROFILE"
                    .to_owned()
            }
            ("RequestTimeTooSkewed", _) => "the clock of this machine differs too much from the server's".to_owned(),
            ("PermanentRedirect" | "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException", _)
            | (_, 301 | 307) => {
                let other = region.map_or("another one".to_owned(), str::to_owned);
                format!("the bucket is not in region {} but in {other}: set AWS_REGION", self.region)
            }
            ("AccessDenied", _) | (_, 401 | 403) if self.is_anonymous => {
                "access denied without credentials: leave out --no-sign-request, and set AWS_PROFILE, or AWS_ACCESS_KEY_ID \
                 and AWS_SECRET_ACCESS_KEY"
                    .to_owned()
            }
            ("AccessDenied", _) | (_, 401 | 403) if self.is_written => {
                "access denied: these credentials may not write it; AWS_PROFILE, or AWS_ACCESS_KEY_ID and \
                 AWS_SECRET_ACCESS_KEY, set others"
                    .to_owned()
            }
            ("AccessDenied", _) | (_, 401 | 403) => {
                "access denied: these credentials may not read it; AWS_PROFILE, or AWS_ACCESS_KEY_ID and \
                 AWS_SECRET_ACCESS_KEY, set others"
                    .to_owned()
            }
            ("", 404) => "there is no such bucket or object".to_owned(),
            _ => {
                let said = error.message().unwrap_or_default().lines().next().unwrap_or_default();
                let what = [code, said].iter().filter(|text| !text.is_empty()).copied().collect::<Vec<_>>().join(": ");
                format!("{} answered {status} {what}", self.name()).trim_end().to_owned()
            }
        };
        let may_pass = matches!(status, 408 | 425 | 429 | 500 | 502..)
            || matches!(
                code,
                "SlowDown"
                    | "RequestTimeout"
                    | "ConditionalRequestConflict"
                    | "OperationAborted"
                    | "BadDigest"
            );
        let is_denied = code == "AccessDenied";
        Trouble { text, may_pass, status: Some(status), is_denied, is_silent: false }
    }
}

/// The same request, until it succeeds, cannot succeed, or was tried often enough.
pub(super) async fn retried<T, F>(request: impl FnMut() -> F) -> Result<T, Trouble>
where
    F: Future<Output = Result<T, Trouble>>,
{
    retried_with(Patience::default(), request).await
}

/// The same with another patience.
pub(super) async fn retried_with<T, F>(
    mut patience: Patience,
    mut request: impl FnMut() -> F,
) -> Result<T, Trouble>
where
    F: Future<Output = Result<T, Trouble>>,
{
    loop {
        match request().await {
            Ok(answer) => return Ok(answer),
            Err(trouble) => patience.wait(trouble).await?,
        }
    }
}

/// How often a request was tried that brought nothing.
#[derive(Debug, Default)]
pub(super) struct Patience {
    tries: u32,
    /// The same with what each counts.
    spent: u32,
}

impl Patience {
    /// For one try.
    pub(super) fn once() -> Self {
        Patience { tries: 0, spent: TRIES - 1 }
    }

    /// Something came: what was tried before counts no more.
    pub(super) fn renew(&mut self) {
        *self = Patience::default();
    }

    /// Waits before the next try; an error where there is none.
    pub(super) async fn wait(&mut self, trouble: Trouble) -> Result<(), Trouble> {
        self.tries += 1;
        self.spent += if trouble.is_silent { SILENT_COUNTS } else { 1 };
        if !trouble.may_pass {
            return Err(trouble);
        }
        if self.spent >= TRIES {
            let text = match self.tries {
                1 => trouble.text,
                tries => format!("{} (tried {tries} times)", trouble.text),
            };
            return Err(Trouble { text, ..trouble });
        }
        tokio::time::sleep(pause(self.tries)).await;
        Ok(())
    }
}

/// How long to wait after so many tries, from the first: up to twice as long each time, and a minute at most.
pub(super) fn pause(tries: u32) -> Duration {
    let longest = FIRST_WAIT.saturating_mul(2_u32.saturating_pow(tries.saturating_sub(1))).min(LAST_WAIT);
    jittered(longest)
}

/// The reason of the reasons, in one line.
pub(super) fn innermost(error: &(dyn StdError + 'static)) -> String {
    let mut reason = error;
    while let Some(source) = reason.source() {
        reason = source;
    }
    let text = reason.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

/// What no further try changes.
pub(super) fn lasting(text: &str) -> Trouble {
    Trouble { text: text.to_owned(), may_pass: false, status: None, is_denied: false, is_silent: false }
}

/// A body that ended before its end.
pub(super) fn broken(why: &str) -> Trouble {
    Trouble {
        text: format!("the connection broke while the object was read: {why}"),
        may_pass: true,
        ..lasting("")
    }
}
