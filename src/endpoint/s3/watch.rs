//! Requests that get on, and requests that do not: how long the server may be silent, and that a person hears of it.
//!
//! What counts is progress, not time: a large part may take long on a slow line.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::config::interceptors::BeforeTransmitInterceptorContextMut;
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::{BoxError, SdkError};
use aws_sdk_s3::primitives::SdkBody;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::trouble::{Trouble, lasting};
use crate::observe::{Span, Tell};

/// How long a server may be silent before it is said, and before the request is given up.
const QUIET: Duration = Duration::from_secs(5);
pub(super) const SILENCE: Duration = Duration::from_secs(20);

/// What of a request is taken so soon may be in no more than the buffers of the kernel.
const BUFFERED: Duration = Duration::from_secs(1);

/// Bytes of a request that are handed over at a time.
const PIECE: usize = 64 << 10;

/// How often a request is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// What is known of how a server gets on.
#[derive(Debug)]
pub(super) struct ServerWatch {
    server: String,
    tell: Option<Tell>,
    silence: Duration,
    quiet: Duration,
    buffered: Duration,
    /// When the server last took or gave something.
    moved: Mutex<Instant>,
    /// Whether it was said since that it is silent.
    is_told: AtomicBool,
}

/// What the client says of a request.
pub(super) type SdkResult<T, E> = Result<T, SdkError<E, HttpResponse>>;

/// How far one request is.
#[derive(Clone, Debug)]
pub(super) struct TransferProgress {
    watch: Arc<ServerWatch>,
    state: Arc<Mutex<WatchedState>>,
}

#[derive(Debug)]
struct WatchedState {
    begun: Instant,
    /// When bytes of it were last taken.
    taken: Instant,
    /// Whether all of it was.
    is_whole: bool,
}

impl ServerWatch {
    pub(super) fn new(server: String, tell: Option<Tell>) -> Self {
        ServerWatch {
            server,
            tell,
            silence: SILENCE,
            quiet: QUIET,
            buffered: BUFFERED,
            moved: Mutex::new(Instant::now()),
            is_told: AtomicBool::new(false),
        }
    }

    /// When the server last took or gave something.
    pub(super) fn moved(&self) -> Instant {
        *self.moved.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn moves(&self) {
        *self.moved.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        self.is_told.store(false, Ordering::Relaxed);
    }

    /// The answer to a request. Sent with what `send` is given, bytes of its body that are taken are seen.
    pub(super) fn answer<T, E, F>(
        self: &Arc<Self>,
        send: impl FnOnce(TransferProgress) -> F,
    ) -> impl Future<Output = Result<SdkResult<T, E>, Trouble>>
    where
        F: Future<Output = SdkResult<T, E>>,
    {
        self.answer_within(self.silence, send)
    }

    /// The same where the server may work for so long before it answers.
    pub(super) fn answer_within<T, E, F>(
        self: &Arc<Self>,
        longest: Duration,
        send: impl FnOnce(TransferProgress) -> F,
    ) -> impl Future<Output = Result<SdkResult<T, E>, Trouble>>
    where
        F: Future<Output = SdkResult<T, E>>,
    {
        let sending = TransferProgress::new(self);
        // The client's futures are large.
        let asked = Box::pin(send(sending.clone()));
        async move {
            let answer = self.wait(&sending, longest, asked).await?;
            if matches!(answer, Ok(_) | Err(SdkError::ServiceError(_) | SdkError::ResponseError(_))) {
                self.moves();
            }
            Ok(answer)
        }
    }

    /// The next piece of an answer.
    pub(super) async fn piece<T, E>(
        self: &Arc<Self>,
        next: impl Future<Output = Option<Result<T, E>>>,
    ) -> Result<Option<Result<T, E>>, Trouble> {
        let piece = self.wait(&TransferProgress::new(self), self.silence, next).await?;
        if let Some(Ok(_)) = piece {
            self.moves();
        }
        Ok(piece)
    }

    async fn wait<T>(
        &self,
        sending: &TransferProgress,
        longest: Duration,
        work: impl Future<Output = T>,
    ) -> Result<T, Trouble> {
        let mut work = pin!(work);
        loop {
            if let Ok(done) = tokio::time::timeout(LOOK, work.as_mut()).await {
                return Ok(done);
            }
            let (idle, since_begun) = sending.idle();
            if idle >= since_begun.saturating_add(longest) {
                let span = Span(idle.as_nanos() as u64 / 1_000_000_000 * 1_000_000_000);
                let text = format!("no answer from {} for {span}", self.server);
                return Err(Trouble { may_pass: true, is_silent: true, ..lasting(&text) });
            }
            if idle >= self.quiet
                && self.moved().elapsed() >= self.quiet
                && let Some(tell) = self.tell
                && !self.is_told.swap(true, Ordering::Relaxed)
            {
                let span = Span(self.quiet.as_nanos() as u64);
                tell(&format_args!("no answer from {} for {span}; still waiting", self.server));
            }
        }
    }
}

impl TransferProgress {
    fn new(watch: &Arc<ServerWatch>) -> Self {
        let begun = Instant::now();
        let state = WatchedState { begun, taken: begun, is_whole: false };
        TransferProgress { watch: Arc::clone(watch), state: Arc::new(Mutex::new(state)) }
    }

    /// How long nothing of it was taken; and how much longer than else that may be. As long as it took to hand over all
    /// of a body, as long its end may be on the way: the kernel has it, and nothing tells of its progress.
    fn idle(&self) -> (Duration, Duration) {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let on_the_way = if state.is_whole { state.taken - state.begun } else { Duration::ZERO };
        (state.taken.elapsed(), on_the_way)
    }

    fn take(&self, is_whole: bool) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.taken = Instant::now();
        state.is_whole = is_whole;
        let is_buffered = state.taken - state.begun < self.watch.buffered;
        drop(state);
        if !is_buffered {
            self.watch.moves();
        }
    }
}

impl Intercept for TransferProgress {
    fn name(&self) -> &'static str {
        "Sending"
    }

    /// After the request was signed, which takes the body as a whole.
    fn modify_before_transmit(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let body = std::mem::replace(context.request_mut().body_mut(), SdkBody::taken());
        let pieces = WatchedBody { body, rest: Bytes::new(), sending: self.clone() };
        *context.request_mut().body_mut() = SdkBody::from_body_1_x(pieces);
        Ok(())
    }
}

/// A body in pieces, so that it is seen how far it is.
struct WatchedBody {
    body: SdkBody,
    rest: Bytes,
    sending: TransferProgress,
}

impl Body for WatchedBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.rest.is_empty() {
            match Pin::new(&mut self.body).poll_frame(context) {
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => self.rest = data,
                    Err(frame) => return Poll::Ready(Some(Ok(frame))),
                },
                other => return other,
            }
        }
        let length = self.rest.len().min(PIECE);
        let piece = self.rest.split_to(length);
        self.sending.take(self.is_end_stream());
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (rest, hint) = (self.rest.len() as u64, self.body.size_hint());
        let mut whole = SizeHint::new();
        whole.set_lower(hint.lower() + rest);
        if let Some(upper) = hint.upper() {
            whole.set_upper(upper + rest);
        }
        whole
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watch() -> Arc<ServerWatch> {
        let watch = ServerWatch::new("server".to_owned(), None);
        Arc::new(ServerWatch { silence: Duration::from_millis(400), buffered: Duration::ZERO, ..watch })
    }

    fn block_on<T>(work: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(work)
    }

    /// As many pieces as there are, each after a wait; and then no answer.
    async fn send(
        pieces: u32,
        sending: TransferProgress,
    ) -> Result<(), SdkError<std::io::Error, HttpResponse>> {
        let body = SdkBody::from(vec![1; PIECE * pieces as usize]);
        let mut pieces = WatchedBody { body, rest: Bytes::new(), sending };
        while let Some(Ok(_)) =
            std::future::poll_fn(|context| Pin::new(&mut pieces).poll_frame(context)).await
        {
            tokio::time::sleep(Duration::from_millis(150)).await;
        }
        std::future::pending().await
    }

    #[test]
    fn a_server_that_takes_nothing_and_says_nothing_is_given_up() {
        let trouble = block_on(watch().answer(|sending| send(0, sending))).unwrap_err();
        assert!(trouble.may_pass && trouble.is_silent, "{trouble:?}");
        assert!(trouble.text.starts_with("no answer from server for "), "{trouble:?}");
        let piece = block_on(watch().piece(std::future::pending::<Option<Result<(), ()>>>()));
        assert!(piece.unwrap_err().is_silent);
    }

    #[test]
    fn a_body_that_is_taken_slowly_is_waited_for() {
        let watch = watch();
        let begun = Instant::now();
        let trouble = block_on(watch.answer(|sending| send(8, sending))).unwrap_err();
        // All pieces were taken, in three times as long as the server may be silent.
        assert!(trouble.is_silent && watch.moved() >= begun + Duration::from_millis(7 * 150), "{trouble:?}");
    }

    #[test]
    fn a_body_in_pieces_is_the_same_body() {
        let content: Vec<u8> = (0..PIECE * 2 + 5).map(|at| at as u8).collect();
        let sending = TransferProgress::new(&watch());
        let mut pieces = WatchedBody { body: SdkBody::from(content.clone()), rest: Bytes::new(), sending };
        let mut taken = Vec::new();
        block_on(async {
            assert_eq!(pieces.size_hint().exact(), Some(content.len() as u64));
            while let Some(frame) =
                std::future::poll_fn(|context| Pin::new(&mut pieces).poll_frame(context)).await
            {
                taken.extend_from_slice(&frame.unwrap().into_data().unwrap());
                assert_eq!(pieces.size_hint().exact(), Some((content.len() - taken.len()) as u64));
            }
        });
        assert!(taken == content && pieces.is_end_stream());
    }
}
