//! Ways to an origin that are not plain TCP: TLS, and a Unix socket.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use rustls::server::WebPkiClientVerifier;
use rustls::{HandshakeKind, RootCertStore, ServerConfig, ServerConnection, StreamOwned};

/// How long one side is listened to before it is the other side's turn.
const TURN: Duration = Duration::from_millis(1);

/// Files with a certificate authority of the test's own, and what it has vouched for.
pub(crate) struct Certificates {
    directory: tempfile::TempDir,
    authority: CertifiedIssuer<'static, KeyPair>,
}

impl Certificates {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let authority = CertifiedIssuer::self_signed(params, key).expect("a certificate");
        let directory = tempfile::tempdir().expect("a directory");
        fs::write(directory.path().join("ca.pem"), authority.pem()).expect("a file");
        Certificates { directory, authority }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The file of the authority's certificate, as an argument.
    pub(crate) fn ca(&self) -> String {
        self.path("ca.pem").display().to_string()
    }

    /// Makes `NAME.pem` and `NAME.key` that vouch for themselves; where they are not valid, their time is over.
    pub(crate) fn make_self_signed(&self, name: &str, hosts: &[&str], is_valid: bool) {
        let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
        let mut params = CertificateParams::new(hosts).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.not_after = rcgen::date_time_ymd(if is_valid { 4000 } else { 2020 }, 1, 1);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate");
        fs::write(self.path(&format!("{name}.pem")), certificate.pem()).expect("a file");
        fs::write(self.path(&format!("{name}.key")), key.serialize_pem()).expect("a file");
    }

    /// Makes `NAME.pem` and `NAME.key`, good for these names.
    pub(crate) fn make(&self, name: &str, hosts: &[&str]) -> (PathBuf, PathBuf) {
        let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(hosts).expect("parameters");
        let certificate = params.signed_by(&key, &self.authority).expect("a certificate");
        let (pem, key_file) = (self.path(&format!("{name}.pem")), self.path(&format!("{name}.key")));
        fs::write(&pem, certificate.pem()).expect("a file");
        fs::write(&key_file, key.serialize_pem()).expect("a file");
        (pem, key_file)
    }
}

/// What a server speaks TLS with.
pub(crate) fn server_config(certificates: &Certificates, hosts: &[&str], asks_client: bool) -> ServerConfig {
    certificates.make("server", hosts);
    config_of(certificates, "server", asks_client)
}

/// The same with the certificate `NAME.pem` and its key.
pub(crate) fn config_of(certificates: &Certificates, name: &str, asks_client: bool) -> ServerConfig {
    let [pem, key] = ["pem", "key"].map(|ending| certificates.path(&format!("{name}.{ending}")));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .expect("versions");
    let read = |file: &Path| {
        rustls::pki_types::CertificateDer::pem_file_iter(file)
            .expect("PEM")
            .map(|one| one.expect("PEM"))
            .collect()
    };
    let chain: Vec<_> = read(&pem);
    let key = PrivateKeyDer::from_pem_file(key).expect("a key");
    let builder = if asks_client {
        let mut roots = RootCertStore::empty();
        for root in read(&certificates.path("ca.pem")) as Vec<_> {
            roots.add(root).expect("a certificate");
        }
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
        builder.with_client_cert_verifier(verifier.expect("a verifier"))
    } else {
        builder.with_no_client_auth()
    };
    builder.with_single_cert(chain, key).expect("a certificate and its key")
}

/// A TLS server before an origin.
pub(crate) struct TlsFront {
    pub(crate) address: SocketAddr,
    /// Connections whose session was resumed.
    pub(crate) resumed: Arc<AtomicUsize>,
    /// Names that clients asked for.
    pub(crate) names: Arc<Mutex<Vec<Option<String>>>>,
}

impl TlsFront {
    /// Passes on to `origin`. With `says_goodbye` it ends connections as TLS demands, otherwise it just closes them.
    pub(crate) fn start(config: ServerConfig, origin: SocketAddr, says_goodbye: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let front = TlsFront {
            address: listener.local_addr().expect("an address"),
            resumed: Arc::default(),
            names: Arc::default(),
        };
        let (config, resumed, names) = (Arc::new(config), front.resumed.clone(), front.names.clone());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (config, resumed, names) = (config.clone(), resumed.clone(), names.clone());
                thread::spawn(move || {
                    stream.set_nodelay(true).expect("a socket option");
                    let session = ServerConnection::new(config).expect("a session");
                    let mut stream = StreamOwned::new(session, stream);
                    // A client that gives up is the test's subject.
                    if stream.conn.complete_io(&mut stream.sock).is_err() {
                        // Closed with something unread, it would be reset, and the alert with it be lost.
                        let _ = stream.sock.shutdown(Shutdown::Write);
                        let _ = std::io::copy(&mut stream.sock, &mut std::io::sink());
                        return;
                    }
                    names.lock().unwrap().push(stream.conn.server_name().map(str::to_owned));
                    if stream.conn.handshake_kind() == Some(HandshakeKind::Resumed) {
                        resumed.fetch_add(1, Ordering::SeqCst);
                    }
                    stream.sock.set_read_timeout(Some(TURN)).expect("a socket option");
                    relay(&mut stream, origin);
                    if says_goodbye {
                        stream.conn.send_close_notify();
                        // The client may have gone.
                        let _ = stream.conn.complete_io(&mut stream.sock);
                    }
                });
            }
        });
        front
    }
}

/// A Unix socket before an origin.
pub(crate) fn unix_front(path: &Path, origin: SocketAddr) {
    let listener = UnixListener::bind(path).expect("a socket");
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            thread::spawn(move || {
                stream.set_read_timeout(Some(TURN)).expect("a socket option");
                relay(&mut stream, origin);
            });
        }
    });
}

/// Passes bytes between both until one of them ends.
fn relay(near: &mut (impl Read + Write), origin: SocketAddr) {
    let mut far = TcpStream::connect(origin).expect("the origin listens");
    far.set_read_timeout(Some(TURN)).expect("a socket option");
    while pass(near, &mut far) && pass(&mut far, near) {}
}

/// Passes on what is there; whether more may come.
fn pass(from: &mut impl Read, to: &mut impl Write) -> bool {
    let mut buffer = vec![0; 64 << 10];
    match from.read(&mut buffer) {
        Ok(0) => false,
        Ok(length) => to.write_all(&buffer[..length]).and_then(|()| to.flush()).is_ok(),
        Err(error) => matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
    }
}
