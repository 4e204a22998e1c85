//! HTTP/1.1 over a connection, and what goes wrong on it.

use std::fmt::Write as _;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::ops::RangeBounds as _;
use std::thread;
use std::time::Duration;

use super::{Asked, Fault, Inner, Rule, is_like};

impl Inner {
    pub(super) fn serve(&self, stream: &TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let mut reader = BufReader::new(stream.try_clone()?);
        while let Some(asked) = read_request(&mut reader, stream)? {
            let fault = {
                let mut state = self.state();
                state.asked.push(asked.clone());
                let fits = |rule: &&mut Rule| {
                    (rule.method == "*" || rule.method == asked.method)
                        && is_like(&rule.pattern, asked.path())
                };
                let met = state.rules.iter_mut().filter(fits).map(|rule| {
                    rule.met += 1;
                    rule.times.contains(&rule.met).then(|| rule.fault.clone())
                });
                met.collect::<Vec<_>>().into_iter().flatten().next()
            };
            if !self.respond(&asked, fault.as_ref(), stream)? {
                return stream.shutdown(Shutdown::Both);
            }
        }
        Ok(())
    }

    /// False: the connection is at its end.
    fn respond(&self, asked: &Asked, fault: Option<&Fault>, mut stream: &TcpStream) -> io::Result<bool> {
        let (fault, first) = match fault {
            Some(Fault::After(happens, fault)) => (Some(&**fault), Some(happens)),
            _ => (fault, None),
        };
        let reply = match fault {
            Some(Fault::Answer(reply)) => reply.clone(),
            Some(Fault::Unauthorized) => self.unauthorized(asked),
            Some(Fault::DroppedBefore) => return Ok(false),
            Some(Fault::Hang) => {
                let _ = stream.read(&mut [0]);
                return Ok(false);
            }
            Some(Fault::Lost) => {
                let mut state = self.state();
                let before = state.held.clone();
                let reply = self.answer(&mut state, asked);
                state.held = before;
                reply
            }
            Some(Fault::Meanwhile(happens)) => {
                happens();
                self.answer(&mut self.state(), asked)
            }
            _ => self.answer(&mut self.state(), asked),
        };
        if let Some(happens) = first {
            happens();
        }
        let mut reply = match fault {
            Some(Fault::DroppedAfter) => return Ok(false),
            Some(Fault::Header(name, value)) => reply.set(name, value.clone()),
            _ => reply,
        };
        if let (Some(Fault::Altered), Some(last)) = (fault, reply.body.last_mut()) {
            *last ^= 1;
        }
        let mut head = format!("HTTP/1.1 {} Status\r\n", reply.status);
        for (name, value) in &reply.headers {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        if matches!(fault, Some(Fault::Endless)) {
            stream.write_all(format!("{head}Transfer-Encoding: chunked\r\n\r\n").as_bytes())?;
            let chunk = [b"10000\r\n".to_vec(), vec![b' '; 0x10000], b"\r\n".to_vec()].concat();
            loop {
                stream.write_all(&chunk)?;
            }
        }
        // The length of a body that HEAD leaves out is part of the answer.
        let _ = write!(head, "Content-Length: {}\r\n\r\n", reply.body.len());
        let body = if asked.method == "HEAD" { &[] } else { reply.body.as_slice() };
        match fault {
            Some(Fault::Truncated) => {
                stream.write_all(&[head.as_bytes(), &body[..body.len() / 2]].concat())?;
                Ok(false)
            }
            Some(Fault::Dripping) => {
                stream.write_all(head.as_bytes())?;
                for byte in body {
                    thread::sleep(Duration::from_millis(50));
                    stream.write_all(&[*byte])?;
                }
                Ok(true)
            }
            _ => stream.write_all(&[head.as_bytes(), body].concat()).map(|()| true),
        }
    }
}

fn read_request(reader: &mut BufReader<TcpStream>, mut stream: &TcpStream) -> io::Result<Option<Asked>> {
    let line = read_line(reader)?;
    let mut words = line.split(' ').map(ToOwned::to_owned);
    let (Some(method), Some(target)) = (words.next(), words.next()) else { return Ok(None) };
    let mut asked = Asked { method, target, ..Asked::default() };
    loop {
        let line = read_line(reader)?;
        let Some((name, value)) = line.split_once(':') else { break };
        asked.headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    if asked.header("expect").is_some() {
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
    }
    if asked.header("transfer-encoding").is_some() {
        loop {
            let size = usize::from_str_radix(&read_line(reader)?, 16).map_err(io::Error::other)?;
            let from = asked.body.len();
            asked.body.resize(from + size, 0);
            reader.read_exact(&mut asked.body[from..])?;
            read_line(reader)?;
            if size == 0 {
                break;
            }
        }
    } else if let Some(length) = asked.header("content-length") {
        asked.body = vec![0; length.parse().map_err(io::Error::other)?];
        reader.read_exact(&mut asked.body)?;
    }
    Ok(Some(asked))
}

fn read_line(reader: &mut BufReader<TcpStream>) -> io::Result<String> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    Ok(line.trim_end().to_owned())
}
