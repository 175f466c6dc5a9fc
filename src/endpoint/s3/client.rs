//! The connection to the server: its settings, credentials, and the threads that requests run on.

use std::future::Future;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    Builder, ProvideCredentials as _, ResponseChecksumValidation, StalledStreamProtectionConfig,
};
use aws_sdk_s3::primitives::ByteStream;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_types::service_config::ServiceConfigKey;
use base64::prelude::{BASE64_STANDARD, Engine as _};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;

use super::S3Options;
use super::trouble::{Server, Trouble, broken, innermost};
use super::watch::{SdkResult, ServerWatch};
use crate::observe::Tell;
use crate::{Error, Result};

/// The region that is asked where none is set; a server that is not Amazon's takes it for its own.
const REGION: &str = "us-east-1";

/// The port of servers of names, where an answer is too long for a datagram.
const DNS: u16 = 53;

/// The ports of services that give credentials anew.
const CREDENTIALS: [u16; 2] = [80, 443];

/// Threads that move bytes from sockets.
const THREADS: usize = 2;

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// What a process has of S3.
#[derive(Debug)]
pub(in super::super) struct S3Connection {
    pub(super) client: Client,
    pub(super) server: Server,
    /// Whether the server gets on.
    pub(super) watch: Arc<ServerWatch>,
    /// One for each request that may run.
    pub(super) requests: Arc<Semaphore>,
    /// One for each object that may hold a large part until that is read.
    pub(super) large: Arc<Semaphore>,
    /// One for each further part that may wait to be read.
    pub(super) prefetch: Arc<Semaphore>,
    /// Whether credentials are asked for again at some time.
    may_expire: bool,
    /// None before it is started.
    runtime: OnceLock<Runtime>,
}

impl S3Connection {
    /// Finds settings and credentials. Nothing is asked of the server yet, and no thread is left behind.
    pub(super) fn open(options: S3Options, tell: Option<Tell>) -> Result<Self> {
        let loading = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (config, may_expire) = loading.block_on(load(options))?;
        drop(loading);
        let service = config.service_config().and_then(|settings| {
            let key =
                ServiceConfigKey::builder().service_id("S3").env("AWS_ENDPOINT_URL").profile("endpoint_url");
            settings.load_config(key.build().ok()?)
        });
        let endpoint = service.or_else(|| config.endpoint_url().map(str::to_owned));
        let region = config.region().map_or(REGION, Region::as_ref).to_owned();
        // Answers have no time here: what a request's progress allows is judged by `ServerWatch`, that of bodies as well.
        let timeouts = TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT).build();
        let settings = Builder::from(&config)
            .region(Region::new(region.clone()))
            // A name of a bucket before an address of a server leads nowhere.
            .force_path_style(endpoint.is_some())
            // Objects are read in ranges, of which there are no checksums.
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
            .retry_config(RetryConfig::disabled())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .timeout_config(timeouts);
        let server = Server::of(&config, endpoint, region);
        let fetch = options.fetch.get();
        let semaphore = || Arc::new(Semaphore::new(fetch));
        Ok(S3Connection {
            client: Client::from_conf(settings.build()),
            watch: Arc::new(ServerWatch::new(server.name(), tell)),
            server,
            requests: semaphore(),
            large: semaphore(),
            prefetch: semaphore(),
            may_expire,
            runtime: OnceLock::new(),
        })
    }

    /// The TCP ports that requests go to, lookups of names included. What that takes is loaded now: there may be no right
    /// to later.
    pub(in super::super) fn ports(&self) -> Vec<u16> {
        let endpoint = self.server.endpoint.clone();
        let endpoint = endpoint.unwrap_or_else(|| format!("https://s3.{}.amazonaws.com", self.server.region));
        let url = url::Url::parse(&endpoint).ok();
        let port = url.as_ref().and_then(url::Url::port_or_known_default).unwrap_or(443);
        if let Some(host) = url.as_ref().and_then(url::Url::host_str) {
            // Only so that the C library has its modules; a server that is not found is told with the first request.
            let _ = std::net::ToSocketAddrs::to_socket_addrs(&(host, port));
        }
        let mut ports = vec![port, DNS];
        if self.may_expire {
            ports.extend(CREDENTIALS);
        }
        ports
    }

    /// Starts the threads, if they were not started yet.
    pub(in super::super) fn start(&self) -> Result<()> {
        if self.runtime.get().is_some() {
            return Ok(());
        }
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name("s3")
            .enable_all()
            .build()?;
        // Where two come here at once, one of them ends again.
        if let Err(other) = self.runtime.set(runtime) {
            other.shutdown_background();
        }
        Ok(())
    }

    /// The answer to a request.
    pub(super) fn asked<T, E>(
        &self,
        asked: impl Future<Output = SdkResult<T, E>>,
    ) -> impl Future<Output = Result<SdkResult<T, E>, Trouble>> {
        self.watch.answer(|_| asked)
    }

    /// All of an answer's body.
    pub(super) async fn content(&self, mut body: ByteStream) -> Result<Vec<u8>, Trouble> {
        let mut content = Vec::new();
        while let Some(piece) = self.watch.piece(body.next()).await? {
            content.extend_from_slice(&piece.map_err(|error| broken(&innermost(&error)))?);
        }
        Ok(content)
    }

    /// The threads, which were started.
    pub(super) fn runtime(&self) -> &Runtime {
        self.runtime.get().expect("it was started")
    }
}

impl Drop for S3Connection {
    fn drop(&mut self) {
        // A name that is being looked up is not waited for.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// The settings of environment, profile and machine; with credentials, unless none are wanted.
/// And whether they have an end.
async fn load(options: S3Options) -> Result<(SdkConfig, bool)> {
    let tls = TlsContext::builder()
        .with_trust_store(trusted()?)
        .build()
        .map_err(|error| Error::Invalid(innermost(&error)))?;
    let http = aws_smithy_http_client::Builder::new()
        .tls_provider(Provider::Rustls(CryptoMode::Ring))
        .tls_context(tls)
        .build_https();
    let loader = aws_config::defaults(BehaviorVersion::latest()).http_client(http);
    if options.is_anonymous {
        return Ok((loader.no_credentials().load().await, false));
    }
    let config = loader.load().await;
    let Some(provider) = config.credentials_provider() else { return Ok((config, false)) };
    let why = match provider.provide_credentials().await {
        // What does not end is not looked up again: the right to read files may be gone then.
        Ok(found) if found.expiry().is_none() => {
            let provider = SharedCredentialsProvider::new(found);
            return Ok((config.into_builder().credentials_provider(provider).build(), false));
        }
        Ok(_) => return Ok((config, true)),
        // It lists all places where there are none.
        Err(CredentialsError::CredentialsNotLoaded(_)) => String::new(),
        Err(error) => format!(" ({})", innermost(&error)),
    };
    Err(Error::Invalid(format!(
        "no credentials for S3{why}: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; \
         --no-sign-request reads what is public"
    )))
}

/// The certificates that servers are trusted by: those of `AWS_CA_BUNDLE`, or the system's. They are read here and now, as
/// a process may lose the right to; and each is looked at, as the client panics at one that cannot be read.
fn trusted() -> Result<TrustStore> {
    let named = std::env::var_os("AWS_CA_BUNDLE").filter(|path| !path.is_empty());
    let certificates = if let Some(path) = named {
        bundle(&path).map_err(|error| error.at(format!("AWS_CA_BUNDLE {}", path.display())))?
    } else {
        // Those that cannot be read are left out, as by other programs; without any, no server is trusted, which is
        // told then.
        let mut roots = RootCertStore::empty();
        let mut found = rustls_native_certs::load_native_certs().certs;
        found.retain(|certificate| roots.add(certificate.clone()).is_ok());
        found
    };
    let mut pem = String::new();
    for certificate in &certificates {
        pem.push_str("-----BEGIN CERTIFICATE-----\n");
        BASE64_STANDARD.encode_string(certificate, &mut pem);
        pem.push_str("\n-----END CERTIFICATE-----\n");
    }
    Ok(TrustStore::empty().with_pem_certificate(pem))
}

/// The certificates in a file, all of which must be good.
fn bundle(path: impl AsRef<std::path::Path>) -> Result<Vec<CertificateDer<'static>>> {
    let text = std::fs::read(path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let found = found
        .map_err(|error| Error::Invalid(format!("this is not a file of certificates (PEM): {error}")))?;
    if found.is_empty() {
        return Err(Error::Invalid("there is no certificate (PEM) in it".to_owned()));
    }
    let mut roots = RootCertStore::empty();
    for certificate in &found {
        let added = roots.add(certificate.clone());
        added.map_err(|error| Error::Invalid(format!("a certificate in it cannot be used: {error}")))?;
    }
    Ok(found)
}
