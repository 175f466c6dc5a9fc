//! The connection to the server: its settings, credentials, and the threads that requests run on.

use std::sync::Arc;
use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{Builder, ProvideCredentials as _, ResponseChecksumValidation};
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_types::service_config::ServiceConfigKey;
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;

use super::S3Options;
use super::trouble::{Server, innermost};
use crate::{Error, Result};

/// The region that is asked where none is set; a server that is not Amazon's takes it for its own.
const REGION: &str = "us-east-1";

/// Threads that move bytes from sockets.
const THREADS: usize = 2;

/// How long the server may take to begin its answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// What a process has of S3.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) client: Client,
    pub(super) server: Server,
    /// One for each request that may run.
    pub(super) requests: Arc<Semaphore>,
    /// One for each object that may hold a large part until that is read.
    pub(super) large: Arc<Semaphore>,
    /// One for each further part that may wait to be read.
    pub(super) ahead: Arc<Semaphore>,
    /// None only while it is dropped.
    runtime: Option<Runtime>,
}

impl Connection {
    /// Finds settings and credentials. Nothing is asked of the server yet.
    pub(super) fn open(options: S3Options) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name("s3")
            .enable_all()
            .build()?;
        let config = runtime.block_on(load(options))?;
        let service = config.service_config().and_then(|settings| {
            let key =
                ServiceConfigKey::builder().service_id("S3").env("AWS_ENDPOINT_URL").profile("endpoint_url");
            settings.load_config(key.build().ok()?)
        });
        let endpoint = service.or_else(|| config.endpoint_url().map(str::to_owned));
        let region = config.region().map_or(REGION, Region::as_ref).to_owned();
        let timeouts = TimeoutConfig::builder().read_timeout(ANSWER_TIMEOUT).build();
        let settings = Builder::from(&config)
            .region(Region::new(region.clone()))
            // A name of a bucket before an address of a server leads nowhere.
            .force_path_style(endpoint.is_some())
            // Objects are read in ranges, of which there are no checksums.
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts);
        let server = Server::of(&config, endpoint, region);
        let fetch = options.fetch.get();
        let semaphore = || Arc::new(Semaphore::new(fetch));
        Ok(Connection {
            client: Client::from_conf(settings.build()),
            server,
            requests: semaphore(),
            large: semaphore(),
            ahead: semaphore(),
            runtime: Some(runtime),
        })
    }

    pub(super) fn runtime(&self) -> &Runtime {
        self.runtime.as_ref().expect("only dropping takes it")
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // A name that is being looked up is not waited for.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// The settings of environment, profile and machine; with credentials, unless none are wanted.
async fn load(options: S3Options) -> Result<SdkConfig> {
    let mut tls = TlsContext::builder();
    if let Some(path) = std::env::var_os("AWS_CA_BUNDLE").filter(|path| !path.is_empty()) {
        let told = |error: std::io::Error| Error::from(error).at(format!("AWS_CA_BUNDLE {}", path.display()));
        let certificates = std::fs::read(&path).map_err(told)?;
        tls = tls.with_trust_store(TrustStore::empty().with_pem_certificate(certificates));
    }
    let tls = tls.build().map_err(|error| Error::Invalid(innermost(&error)))?;
    let http = aws_smithy_http_client::Builder::new()
        .tls_provider(Provider::Rustls(CryptoMode::Ring))
        .tls_context(tls)
        .build_https();
    let loader = aws_config::defaults(BehaviorVersion::latest()).http_client(http);
    if options.is_anonymous {
        return Ok(loader.no_credentials().load().await);
    }
    let config = loader.load().await;
    let Some(provider) = config.credentials_provider() else { return Ok(config) };
    let why = match provider.provide_credentials().await {
        Ok(_) => return Ok(config),
        // It lists all places where there are none.
        Err(CredentialsError::CredentialsNotLoaded(_)) => String::new(),
        Err(error) => format!(" ({})", innermost(&error)),
    };
    Err(Error::Invalid(format!(
        "no credentials for S3{why}: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; \
         --no-sign-request reads what is public"
    )))
}
