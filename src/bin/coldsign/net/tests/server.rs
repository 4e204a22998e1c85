//! A server on a loopback port that answers each request as a script says, and remembers what it was asked.
#![expect(clippy::disallowed_types, reason = "the tests of the only code that opens connections")]

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// How many requests came before it, over all connections.
    pub(crate) before: usize,
    /// How many connections were made before its own.
    pub(crate) connection: usize,
    /// When it was read.
    pub(crate) at: Instant,
    /// Request line and header lines, names in lower case.
    pub(crate) lines: Vec<String>,
    pub(crate) body: Vec<u8>,
}

impl Seen {
    pub(crate) fn path(&self) -> &str {
        self.lines[0].split(' ').nth(1).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.lines[1..].iter().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

/// What the server does with a request.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    bytes: Vec<u8>,
    then: Then,
}

#[derive(Clone, Copy, Debug)]
enum Then {
    /// Waits for the next request.
    Keep,
    Close,
    /// Nothing more, until the client goes.
    Hang,
    /// These bytes again and again, with a pause before each, until the client goes.
    Again(&'static [u8], Duration),
}

impl Reply {
    /// Exactly these bytes, and the connection stays.
    pub(crate) fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        Self { bytes: bytes.into(), then: Then::Keep }
    }

    /// The same answer with another status.
    pub(crate) fn with_status(mut self, status: &str) -> Self {
        let line = self.bytes.iter().position(|byte| *byte == b'\r').unwrap_or_default();
        self.bytes.splice(..line, format!("HTTP/1.1 {status}").into_bytes());
        self
    }

    /// A status, header lines that each end with CR LF, and a body of its length.
    pub(crate) fn new(status: &str, headers: &str, body: impl AsRef<[u8]>) -> Self {
        let body = body.as_ref();
        let mut bytes =
            format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n", body.len()).into_bytes();
        bytes.extend_from_slice(body);
        Self::raw(bytes)
    }

    pub(crate) fn ok(body: impl AsRef<[u8]>) -> Self {
        Self::new("200 OK", "", body)
    }

    pub(crate) fn status(status: &str) -> Self {
        Self::new(status, "", "")
    }

    pub(crate) fn redirect(status: u16, to: &str) -> Self {
        Self::new(&format!("{status} Moved"), &format!("Location: {to}\r\n"), "moved")
    }

    pub(crate) fn close() -> Self {
        Self::raw("").then_close()
    }

    pub(crate) fn hang() -> Self {
        Self::raw("").then_hang()
    }

    pub(crate) fn then_close(self) -> Self {
        Self { then: Then::Close, ..self }
    }

    pub(crate) fn then_hang(self) -> Self {
        Self { then: Then::Hang, ..self }
    }

    pub(crate) fn then_again(self, bytes: &'static [u8], pause: Duration) -> Self {
        Self { then: Then::Again(bytes, pause), ..self }
    }
}

/// The server; it ends with the test.
pub(crate) struct Server {
    port: u16,
    state: Arc<State>,
    listening: Option<JoinHandle<()>>,
}

struct State {
    seen: Mutex<Vec<Seen>>,
    requests: AtomicUsize,
    stopped: AtomicBool,
    script: Box<dyn Fn(&Seen) -> Reply + Send + Sync>,
}

impl Server {
    pub(crate) fn start(script: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        Self::start_with(script, Some)
    }

    /// The same behind whatever `accept` makes of a connection.
    pub(crate) fn start_with<S: Read + Write>(
        script: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
        accept: impl Fn(TcpStream) -> Option<S> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(State {
            seen: Mutex::default(),
            requests: AtomicUsize::new(0),
            stopped: AtomicBool::new(false),
            script: Box::new(script),
        });
        let (shared, accept) = (state.clone(), Arc::new(accept));
        let listening = thread::spawn(move || {
            for (connection, stream) in listener.incoming().enumerate() {
                if shared.stopped.load(Ordering::Acquire) {
                    return;
                }
                let (shared, accept, stream) = (shared.clone(), accept.clone(), stream.unwrap());
                thread::spawn(move || {
                    let socket = stream.try_clone().unwrap();
                    if let Some(stream) = accept(stream) {
                        shared.serve(connection, BufReader::new(stream));
                    }
                    let _ = socket.shutdown(Shutdown::Both);
                });
            }
        });
        Self { port, state, listening: Some(listening) }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.state.seen.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.state.stopped.store(true, Ordering::Release);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        let _ = self.listening.take().map(JoinHandle::join); // the port is closed afterwards
    }
}

impl State {
    fn serve(&self, connection: usize, mut reader: BufReader<impl Read + Write>) {
        while let Some(seen) = self.read(connection, &mut reader) {
            let Reply { bytes, then } = (self.script)(&seen);
            self.seen.lock().unwrap().push(seen);
            let writer = reader.get_mut();
            if writer.write_all(&bytes).and_then(|()| writer.flush()).is_err() {
                return;
            }
            match then {
                Then::Keep => {}
                Then::Close => return,
                Then::Hang => {
                    let _ = reader.read(&mut [0]);
                    return;
                }
                Then::Again(bytes, pause) => loop {
                    thread::sleep(pause);
                    let writer = reader.get_mut();
                    if writer.write_all(bytes).and_then(|()| writer.flush()).is_err() {
                        return;
                    }
                },
            }
        }
    }

    fn read(&self, connection: usize, reader: &mut BufReader<impl Read>) -> Option<Seen> {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).ok()? == 0 {
                return None;
            }
            match line.trim_end() {
                "" => break,
                first if lines.is_empty() => lines.push(first.to_owned()),
                header => {
                    let (name, value) = header.split_once(": ")?;
                    lines.push(format!("{}: {value}", name.to_ascii_lowercase()));
                }
            }
        }
        let before = self.requests.fetch_add(1, Ordering::AcqRel);
        let mut seen = Seen { before, connection, at: Instant::now(), lines, body: Vec::new() };
        let length = seen.header("content-length").map_or(0, |length| length.parse().unwrap());
        seen.body.resize(length, 0);
        reader.read_exact(&mut seen.body).ok()?;
        Some(seen)
    }
}
