//! A reward server: requests in batches, tried again while it is down.

use super::{GLANCE, excerpt};
use serde_json::{Map, Value};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{RecvTimeoutError, channel},
    },
    thread,
    time::{Duration, Instant},
};

/// A reply longer than this is no reply.
const LONGEST_REPLY: u64 = 64 << 20;
/// Longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// A server and how patient to be with it.
#[derive(Clone)]
pub(crate) struct Server {
    agent: ureq::Agent,
    pub url: String,
    /// Sent as `Authorization: Bearer …`, if not empty.
    pub token: String,
    pub tries: usize,
    pub pause: Duration,
}

enum Failure {
    /// It may work the next time.
    Passing(String),
    Final(String),
}

impl Server {
    pub fn new(url: &str, token: String, timeout: Duration, tries: usize, pause: Duration) -> Self {
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(timeout))
            .http_status_as_error(false)
            .build();
        Self {
            agent: config.into(),
            url: url.into(),
            token,
            tries,
            pause,
        }
    }

    /// Posts a JSON object and reads one. Once `is_off`, it is not tried again; once `cancel` is
    /// true, it is not waited for either.
    ///
    /// # Errors
    /// What the last try came to.
    pub fn post(
        &self,
        body: &Value,
        cancel: Option<&AtomicBool>,
        is_off: impl Fn() -> bool,
    ) -> Result<Map<String, Value>, String> {
        let body: Arc<str> = body.to_string().into();
        let mut pause = self.pause;
        for attempt in 1.. {
            match self.once(&body, cancel) {
                Ok(reply) => return Ok(reply),
                Err(Failure::Final(message)) => return Err(message),
                Err(Failure::Passing(message)) if attempt >= self.tries || is_off() => {
                    return Err(format!("{message} (tried {attempt} times)"));
                }
                Err(Failure::Passing(message)) => {
                    if waits_out(pause, cancel) {
                        return Err(message);
                    }
                }
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        Err("it was not tried".into())
    }

    /// One request. It is left to itself once nobody waits for it.
    fn once(
        &self,
        body: &Arc<str>,
        cancel: Option<&AtomicBool>,
    ) -> Result<Map<String, Value>, Failure> {
        let Some(cancel) = cancel else {
            return self.send(body);
        };
        let (sender, reply) = channel();
        let (server, body) = (self.clone(), body.clone());
        thread::spawn(move || sender.send(server.send(&body)));
        loop {
            match reply.recv_timeout(GLANCE) {
                Ok(reply) => return reply,
                Err(RecvTimeoutError::Timeout) if !cancel.load(Ordering::Relaxed) => {}
                Err(_) => {
                    let message = "nobody waits for the reply any more";
                    return Err(Failure::Final(message.into()));
                }
            }
        }
    }

    fn send(&self, body: &str) -> Result<Map<String, Value>, Failure> {
        let down = |error: ureq::Error| Failure::Passing(format!("is the server up? {error}"));
        let mut request = self
            .agent
            .post(&self.url)
            .header("Content-Type", "application/json");
        if !self.token.is_empty() {
            request = request.header("Authorization", format!("Bearer {}", self.token));
        }
        let mut response = request.send(body).map_err(down)?;
        let reply = response
            .body_mut()
            .with_config()
            .limit(LONGEST_REPLY)
            .read_to_vec()
            .map_err(down)?;
        let status = response.status();
        if !status.is_success() {
            let message = format!("it answered {status}: {}", excerpt(&reply));
            let passing = status.is_server_error() || [408, 429].contains(&status.as_u16());
            return Err(match passing {
                true => Failure::Passing(message),
                false => Failure::Final(message),
            });
        }
        serde_json::from_slice(&reply).map_err(|e| {
            let shown = excerpt(&reply);
            let why = super::why(Some(e), &reply);
            Failure::Final(format!("it answered {shown}, expected a JSON object{why}"))
        })
    }
}

/// Waits for so long; true if that was cut short because nobody waits any more.
fn waits_out(pause: Duration, cancel: Option<&AtomicBool>) -> bool {
    let Some(cancel) = cancel else {
        thread::sleep(pause);
        return false;
    };
    let start = Instant::now();
    while let Some(left) = pause.checked_sub(start.elapsed()) {
        if cancel.load(Ordering::Relaxed) {
            return true;
        }
        thread::sleep(left.min(GLANCE));
    }
    false
}

/// Refuses what is no address that this program can ask.
///
/// # Errors
/// The message for the option `url`.
pub(crate) fn check_url(url: &str) -> Result<(), String> {
    let tls = cfg!(feature = "https") && url.starts_with("https://");
    if url.starts_with("http://") || tls {
        return Ok(());
    }
    let expected = match cfg!(feature = "https") {
        true => "an address as http://host:port/path or https://host/path",
        false => "an address as http://host:port/path (for https, build with the feature `https`)",
    };
    Err(format!("option `url` is `{url}`, expected {expected}"))
}

/// The token in the environment variable that the option `token_env` names; none if it is empty.
///
/// # Errors
/// A variable that is not set.
pub(crate) fn token(variable: &str) -> Result<String, String> {
    match variable {
        "" => Ok(String::new()),
        name => std::env::var(name)
            .map_err(|e| format!("option `token_env`: the variable `{name}`: {e}")),
    }
}

/// The seconds of the option `name`.
///
/// # Errors
/// A number that is no time.
pub(crate) fn duration(name: &str, seconds: f64) -> Result<Duration, String> {
    Duration::try_from_secs_f64(seconds)
        .map_err(|_| format!("option `{name}` is {seconds}, expected 0 or more"))
}

/// The seconds of the option `timeout_s`.
///
/// # Errors
/// A number that is no time, or none at all.
pub(crate) fn timeout(seconds: f64) -> Result<Duration, String> {
    match duration("timeout_s", seconds)? {
        Duration::ZERO => Err("option `timeout_s` is 0, expected more".into()),
        timeout => Ok(timeout),
    }
}
