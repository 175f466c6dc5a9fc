//! Two namespaces with a cable between them: the machine that is recorded at, and another one.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use super::skip::{skip, skip_for_kernel};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

pub(crate) const PORT: u16 = 8080;

/// The machine that is recorded at, and another one.
pub(crate) struct Network {
    pub(crate) here: String,
    pub(crate) there: String,
}

/// Addresses of the two: IPv4, IPv6.
pub(crate) const HERE: [&str; 2] = ["10.77.0.1", "fd77::1"];
pub(crate) const THERE: [&str; 2] = ["10.77.0.2", "fd77::2"];

/// The same over a VLAN.
pub(crate) const TAGGED_HERE: &str = "10.78.0.1";
pub(crate) const TAGGED_THERE: &str = "10.78.0.2";

impl Network {
    /// None: it was said why there is none.
    pub(crate) fn new() -> Option<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = |side| format!("gor-{}-{number}-{side}", std::process::id());
        let network = Network { here: name("here"), there: name("there") };
        for space in [&network.here, &network.there] {
            let made = Command::new("ip").args(["netns", "add", space]).output();
            if !made.is_ok_and(|made| made.status.success()) {
                skip("network namespaces need root, and ip of iproute2");
                return None;
            }
        }
        let (here, there) = (&network.here, &network.there);
        ip(&format!("-n {here} link add cable type veth peer name cable netns {there}"));
        for (space, addresses) in [(here, HERE), (there, THERE)] {
            ip(&format!("-n {space} link set lo up"));
            ip(&format!("-n {space} link set cable up"));
            ip(&format!("-n {space} addr add {}/24 dev cable", addresses[0]));
            ip(&format!("-n {space} addr add {}/64 dev cable nodad", addresses[1]));
        }
        Some(network)
    }

    /// A VLAN on the cable. False: this kernel has none.
    pub(crate) fn add_vlan(&self) -> bool {
        for (space, address) in [(&self.here, TAGGED_HERE), (&self.there, TAGGED_THERE)] {
            if !try_ip(&format!("-n {space} link add link cable name tagged type vlan id 5")) {
                skip_for_kernel("this kernel has no VLANs; the rest is tested");
                return false;
            }
            ip(&format!("-n {space} addr add {address}/24 dev tagged"));
            ip(&format!("-n {space} link set tagged up"));
        }
        true
    }

    /// Runs something in a thread that is in a namespace.
    pub(crate) fn run_in<T: Send + 'static>(space: &str, run: impl FnOnce() -> T + Send + 'static) -> T {
        let space = File::open(format!("/run/netns/{space}")).expect("the namespace has a file");
        let inside = move || {
            move_into_link_name_space(std::os::fd::AsFd::as_fd(&space), Some(LinkNameSpaceType::Network))
                .expect("root may enter it");
            run()
        };
        thread::spawn(inside).join().expect("it does not panic")
    }

    /// A server at the port, on all addresses of a namespace. It says each path that is asked for.
    pub(crate) fn serve(space: &str) -> Receiver<String> {
        let listener =
            Self::run_in(space, || TcpListener::bind(("::", PORT)).expect("the port is free in there"));
        let (say, said) = channel();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, say) = (stream.expect("a connection"), say.clone());
                thread::spawn(move || {
                    let mut input = BufReader::new(stream.try_clone().expect("a second handle"));
                    let mut output = stream;
                    while let Some(path) = request_path(&mut input) {
                        let body = body(&path);
                        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
                        output.write_all(&[head.as_bytes(), &body].concat()).expect("the client reads");
                        // Not every test listens.
                        let _ = say.send(path);
                    }
                });
            }
        });
        said
    }

    /// Asks for paths on one connection, from a namespace, and looks at the answers. The host may have the index of
    /// an interface: `fe80::1%2`.
    pub(crate) fn get(space: &str, host: &str, paths: &[String]) {
        let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        let address: SocketAddr = format!("{host}:{PORT}").parse().expect("an address");
        let paths = paths.to_vec();
        Self::run_in(space, move || {
            let mut output = TcpStream::connect(address).expect("the server listens");
            let mut input = BufReader::new(output.try_clone().expect("a second handle"));
            for path in paths {
                let request = format!("GET {path} HTTP/1.1\r\nHost: here\r\n\r\n");
                output.write_all(request.as_bytes()).expect("the server reads");
                let head = head(&mut input).expect("an answer");
                let expected = body(&path);
                assert!(head.contains(&format!("Content-Length: {}\r\n", expected.len())), "{head}");
                let mut answer = vec![0; expected.len()];
                input.read_exact(&mut answer).expect("all of it");
                assert!(answer == expected, "{path}");
            }
        });
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for space in [&self.here, &self.there] {
            // One that was never made cannot be taken away.
            try_ip(&format!("netns del {space}"));
        }
    }
}

pub(crate) fn try_ip(args: &str) -> bool {
    Command::new("ip").args(args.split(' ')).output().is_ok_and(|done| done.status.success())
}

#[track_caller]
pub(crate) fn ip(args: &str) {
    assert!(try_ip(args), "ip {args}");
}

/// A head, up to and with its empty line. None: the connection has ended.
fn head(input: &mut impl BufRead) -> Option<String> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if input.read_line(&mut head).expect("a line") == 0 {
            return None;
        }
    }
    Some(head)
}

fn request_path(input: &mut impl BufRead) -> Option<String> {
    Some(head(input)?.split(' ').nth(1).expect("a path").to_owned())
}

/// What is served at a path, which ends in its length.
pub(crate) fn body(path: &str) -> Vec<u8> {
    let length = path.rsplit('/').next().and_then(|length| length.parse().ok()).expect("a length");
    path.bytes().cycle().take(length).collect()
}
