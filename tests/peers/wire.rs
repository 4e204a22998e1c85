//! HTTP/1.0 on loopback, as much as the tests of the logs need: one request, and a log's folder as files.
#![expect(clippy::disallowed_types, reason = "a test asks its servers, and serves its files")]

use std::fs;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

/// A server that says nothing for so long says nothing any more.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a server said.
#[derive(Debug)]
pub(crate) struct Reply {
    /// 200 and the like.
    pub(crate) status: u16,
    /// Byte for byte.
    pub(crate) body: Vec<u8>,
}

/// `GET http://localhost:PORT/...`.
pub(crate) fn get(url: &str) -> io::Result<Reply> {
    request("GET", url, "", &[])
}

/// `POST` with a body of that type.
pub(crate) fn post(url: &str, content_type: &str, body: &[u8]) -> io::Result<Reply> {
    request("POST", url, &format!("Content-Type: {content_type}\r\n"), body)
}

fn request(method: &str, url: &str, headers: &str, body: &[u8]) -> io::Result<Reply> {
    let rest = url.strip_prefix("http://localhost:").expect("the logs are on loopback");
    let (port, path) = rest.split_once('/').unwrap_or((rest, ""));
    let mut stream = TcpStream::connect(("127.0.0.1", port.parse::<u16>().expect("a port")))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let length = body.len();
    write!(
        stream,
        "{method} /{path} HTTP/1.0\r\nHost: localhost:{port}\r\n{headers}Content-Length: {length}\r\n\r\n"
    )?;
    stream.write_all(body)?;
    let mut reply = BufReader::new(stream);
    let mut line = String::new();
    reply.read_line(&mut line)?;
    let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| io::Error::other(format!("no status line: {line:?}")))?;
    while reply.read_line(&mut line)? > 2 {
        line.clear();
    }
    let mut body = Vec::new();
    reply.read_to_end(&mut body)?;
    Ok(Reply { status, body })
}

/// Serves the files below a folder until the test process ends; the port. What a log publishes is a folder of files;
/// its server answers no reads. Folders that begin with a dot are the server's own.
pub(crate) fn serve_files(folder: &Path) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let port = listener.local_addr().expect("a bound socket has an address").port();
    let folder = folder.to_owned();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let folder = folder.clone();
            thread::spawn(move || drop(answer(&folder, stream)));
        }
    });
    port
}

/// One request on one connection.
fn answer(folder: &Path, mut stream: TcpStream) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut request = BufReader::new(stream.try_clone()?.take(65_536));
    let (mut first, mut line) = (String::new(), String::new());
    request.read_line(&mut first)?;
    while request.read_line(&mut line)? > 2 {
        line.clear();
    }
    let mut words = first.split(' ');
    let (status, body) = match (words.next(), words.next().and_then(|path| below(folder, path))) {
        (Some("GET"), Some(path)) => match fs::read(path) {
            Ok(bytes) => ("200 OK", bytes),
            Err(_) => ("404 Not Found", Vec::new()),
        },
        (Some("GET"), None) => ("404 Not Found", Vec::new()),
        _ => ("405 Method Not Allowed", Vec::new()),
    };
    let length = body.len();
    write!(stream, "HTTP/1.1 {status}\r\nContent-Type: application/octet-stream\r\n")?;
    write!(stream, "Content-Length: {length}\r\nConnection: close\r\n\r\n")?;
    stream.write_all(&body)
}

/// The file that a path names, if each of its parts is a plain name.
fn below(folder: &Path, path: &str) -> Option<PathBuf> {
    let mut file = folder.to_owned();
    for part in path.strip_prefix('/')?.split('/') {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'.';
        if part.is_empty() || part.starts_with('.') || !part.bytes().all(plain) {
            return None;
        }
        file.push(part);
    }
    Some(file)
}
