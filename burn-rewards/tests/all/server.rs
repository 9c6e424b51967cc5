//! A small HTTP server that answers what a test says.
#![allow(clippy::unwrap_used)] // Outside #[test] functions clippy sees no test.
#![cfg(feature = "http")]

use serde_json::Value;
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

/// Status and body for the n-th request.
pub type Answer = dyn Fn(usize, &Value) -> (u16, String) + Send + Sync;

pub struct Server {
    pub url: String,
    /// The bodies that were posted, with the authorization header.
    pub seen: Arc<Mutex<Vec<(Value, String)>>>,
}

/// A server on a port of its own, until the test ends.
pub fn serve(answer: Box<Answer>) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/reward", listener.local_addr().unwrap());
    let seen = Arc::new(Mutex::new(vec![]));
    let (answer, log) = (Arc::new(answer), seen.clone());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (answer, log) = (answer.clone(), log.clone());
            thread::spawn(move || converse(stream.unwrap(), &log, &**answer));
        }
    });
    Server { url, seen }
}

fn converse(mut stream: TcpStream, log: &Mutex<Vec<(Value, String)>>, answer: &Answer) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    loop {
        let (mut length, mut token) = (0, String::new());
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            let line = line.trim();
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').unwrap_or((line, ""));
            match name.to_lowercase().as_str() {
                "content-length" => length = value.trim().parse().unwrap(),
                "authorization" => token = value.trim().into(),
                _ => {}
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap();
        let n = {
            let mut log = log.lock().unwrap();
            log.push((body.clone(), token));
            log.len()
        };
        let (status, text) = answer(n, &body);
        if status == 0 {
            return;
        }
        let head = format!(
            "HTTP/1.1 {status} S\r\nContent-Length: {}\r\n\r\n",
            text.len()
        );
        let _ = stream.write_all(format!("{head}{text}").as_bytes());
    }
}
