//! A reward from an HTTP server.

use super::Options;
use crate::RewardFn;
use serde::{Deserialize, Serialize};

/// A server that is posted `{"query":[…],"prompts":[…],"labels":[…],"responses":[…]}`, one entry a
/// response, and answers `{"rewards":[…]}`, with other lists of numbers as further parts.
///
/// The contract of MM-Eureka's and OpenRLHF's remote reward models, with their patience: 180 s a
/// request, 5 tries. Between tries it pauses, twice as long each time. A server that stays down,
/// answers an error or answers something else ends the run with a message: no response ever gets
/// a reward that was not given.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Http {
    /// Address of the server.
    pub url: String,
    /// Longest time for one request, in seconds.
    pub timeout_s: f64,
    /// How often a request is tried.
    pub tries: usize,
    /// The first pause between tries, in seconds.
    pub pause_s: f64,
    /// Responses in a request.
    pub batch: usize,
    /// Requests at a time.
    pub connections: usize,
    /// What `query` is made of: `{prompt}` and `{response}` are filled in.
    pub query: String,
    /// Keys of the reply that become parts; all lists of numbers if empty.
    pub parts: Vec<String>,
    /// The key of the reply that tells right from wrong, above 0.5 being right; none if empty.
    pub correct: String,
    /// The environment variable that holds a bearer token; none if empty.
    pub token_env: String,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            url: String::new(),
            timeout_s: 180.0,
            tries: 5,
            pause_s: 1.0,
            batch: 64,
            connections: 4,
            query: "{prompt}{response}".into(),
            parts: vec![],
            correct: String::new(),
            token_env: String::new(),
        }
    }
}

impl Options for Http {
    const NAME: &'static str = "http";
    const PART: &'static str = "http";
    const RANGE: (f64, f64) = (f64::NEG_INFINITY, f64::INFINITY);
    const ABOUT: &'static str = "a server of yours that answers with rewards";
    const SOURCE: &'static str =
        "MM-Eureka and OpenRLHF, remote_rm_fn (`query`, `prompts`, `labels` → `rewards`)";
    const OPTIONS: &'static [(&'static str, &'static str)] = &[
        ("url", "address of the server"),
        ("timeout_s", "longest time for one request, in seconds"),
        ("tries", "how often a request is tried"),
        (
            "pause_s",
            "the first pause between tries, in seconds; it doubles",
        ),
        ("batch", "responses in a request"),
        ("connections", "requests at a time"),
        (
            "query",
            "what `query` is made of: {prompt} and {response} are filled in",
        ),
        (
            "parts",
            "keys of the reply that become parts; all lists of numbers if empty",
        ),
        (
            "correct",
            "key of the reply that tells right from wrong; none if empty",
        ),
        (
            "token_env",
            "environment variable that holds a bearer token; none if empty",
        ),
    ];

    #[cfg(not(feature = "http"))]
    fn build(self) -> Result<Box<dyn RewardFn>, String> {
        Err("this program was built without the feature `http`".into())
    }

    #[cfg(feature = "http")]
    fn build(self) -> Result<Box<dyn RewardFn>, String> {
        let counts = [
            ("tries", self.tries, 1000),
            ("batch", self.batch, 1 << 20),
            ("connections", self.connections, 256),
        ];
        for (name, value, most) in counts {
            if !(1..=most).contains(&value) {
                return Err(format!("option `{name}` is {value}, expected 1 to {most}"));
            }
        }
        let tls = cfg!(feature = "https") && self.url.starts_with("https://");
        if !(self.url.starts_with("http://") || tls) {
            let expected = match cfg!(feature = "https") {
                true => "an address as http://host:port/path or https://host/path",
                false => {
                    "an address as http://host:port/path (for https, build with the feature `https`)"
                }
            };
            return Err(format!(
                "option `url` is `{}`, expected {expected}",
                self.url
            ));
        }
        serving::HttpReward::new(self).map(|reward| Box::new(reward) as Box<dyn RewardFn>)
    }
}

#[cfg(feature = "http")]
mod serving {
    use super::{Http, Options};
    use crate::{
        Reward, RewardError, RewardFn, RewardInput,
        remote::{http::Server, number},
    };
    use serde_json::{Map, Value, json};
    use std::{
        sync::{
            Mutex, OnceLock, PoisonError,
            atomic::{AtomicUsize, Ordering},
        },
        thread,
        time::Duration,
    };

    pub(super) struct HttpReward {
        options: Http,
        server: Server,
    }

    type Scored = Result<Reward, RewardError>;

    impl HttpReward {
        pub fn new(options: Http) -> Result<Self, String> {
            let duration = |name: &str, seconds: f64| {
                Duration::try_from_secs_f64(seconds)
                    .map_err(|_| format!("option `{name}` is {seconds}, expected 0 or more"))
            };
            let timeout = duration("timeout_s", options.timeout_s)?;
            if timeout.is_zero() {
                return Err("option `timeout_s` is 0, expected more".into());
            }
            let pause = duration("pause_s", options.pause_s)?;
            let token = match options.token_env.as_str() {
                "" => String::new(),
                name => std::env::var(name)
                    .map_err(|e| format!("option `token_env`: the variable `{name}`: {e}"))?,
            };
            let server = Server::new(&options.url, token, timeout, options.tries, pause);
            Ok(Self { options, server })
        }

        fn error(&self, message: impl std::fmt::Display) -> RewardError {
            RewardError::service(Http::NAME, format!("{}: {message}", self.server.url))
        }

        /// The rewards of one request. The first that fails for good is the failure of them all:
        /// a server that is down is not waited for once a request.
        fn request(
            &self,
            inputs: &[RewardInput<'_>],
            failure: &OnceLock<RewardError>,
        ) -> Vec<Scored> {
            if let Some(error) = failure.get() {
                return vec![Err(error.clone()); inputs.len()];
            }
            let column = |f: &dyn Fn(&RewardInput<'_>) -> String| -> Vec<String> {
                inputs.iter().map(f).collect()
            };
            let body = json!({
                "query": column(&|i| filled(&self.options.query, i)),
                "prompts": column(&|i| i.prompt.into()),
                "labels": column(&|i| i.answer.into()),
                "responses": column(&|i| i.response.into()),
            });
            let scored = self
                .server
                .post(&body, || failure.get().is_some())
                .and_then(|r| self.rewards(&r, inputs.len()));
            match scored {
                Ok(rewards) => rewards.into_iter().map(Ok).collect(),
                Err(message) => {
                    let error = failure.get_or_init(|| self.error(message));
                    vec![Err(error.clone()); inputs.len()]
                }
            }
        }

        fn rewards(&self, reply: &Map<String, Value>, n: usize) -> Result<Vec<Reward>, String> {
            let list = |key: &str| {
                let values = reply.get(key).and_then(|v| numbers(v, n));
                values.ok_or_else(|| {
                    let keys: Vec<&str> = reply.keys().map(String::as_str).collect();
                    let keys = keys.join(", ");
                    format!(
                        "expected `{key}` with {n} numbers in the reply, whose keys are: {keys}"
                    )
                })
            };
            let values = list("rewards")?;
            let declared = &self.options.parts;
            let names: Vec<&str> = match declared.is_empty() {
                false => declared.iter().map(String::as_str).collect(),
                true => reply
                    .iter()
                    .filter(|(key, value)| *key != "rewards" && numbers(value, n).is_some())
                    .map(|(key, _)| key.as_str())
                    .collect(),
            };
            let columns = names.iter().map(|name| list(name));
            let columns = columns.collect::<Result<Vec<_>, _>>()?;
            let correct = match self.options.correct.as_str() {
                "" => None,
                key => Some(list(key)?),
            };
            let reward = |(i, value): (usize, &f64)| {
                let right = correct.as_ref().map(|c| c[i] > 0.5);
                let mut scored = Reward::single(Http::PART, *value, right);
                for (name, column) in names.iter().zip(&columns) {
                    scored.parts.push(((*name).to_owned(), column[i]));
                }
                scored
            };
            Ok(values.iter().enumerate().map(reward).collect())
        }
    }

    /// `n` numbers; a number alone stands for a list of one.
    fn numbers(value: &Value, n: usize) -> Option<Vec<f64>> {
        let values = match value {
            Value::Array(values) => values.iter().map(number).collect::<Option<Vec<_>>>()?,
            single => vec![number(single)?],
        };
        (values.len() == n).then_some(values)
    }

    /// The template with its places filled in, each from the input and not from what was filled in.
    pub(super) fn filled(template: &str, input: &RewardInput<'_>) -> String {
        let mut text = String::new();
        let mut rest = template;
        while let Some(at) = rest.find('{') {
            text.push_str(&rest[..at]);
            rest = &rest[at..];
            let places = [("{prompt}", input.prompt), ("{response}", input.response)];
            match places.iter().find(|(place, _)| rest.starts_with(place)) {
                Some((place, value)) => {
                    text.push_str(value);
                    rest = &rest[place.len()..];
                }
                None => {
                    text.push('{');
                    rest = &rest[1..];
                }
            }
        }
        text.push_str(rest);
        text
    }

    impl RewardFn for HttpReward {
        fn score(&self, input: &RewardInput<'_>) -> Scored {
            let mut scored = self.request(&[*input], &OnceLock::new());
            scored.pop().unwrap_or_else(|| Err(self.error("no reply")))
        }

        fn part_names(&self) -> Vec<String> {
            let own = std::iter::once(Http::PART.to_owned());
            own.chain(self.options.parts.clone()).collect()
        }

        fn score_batch(&self, inputs: &[RewardInput<'_>]) -> Vec<Scored> {
            let chunks: Vec<&[RewardInput<'_>]> = inputs.chunks(self.options.batch).collect();
            let results: Vec<Mutex<Vec<Scored>>> =
                chunks.iter().map(|_| Mutex::new(vec![])).collect();
            let (next, failure) = (AtomicUsize::new(0), OnceLock::new());
            let work = || {
                while let Some((i, chunk)) = {
                    let i = next.fetch_add(1, Ordering::Relaxed);
                    chunks.get(i).map(|chunk| (i, chunk))
                } {
                    let scored = self.request(chunk, &failure);
                    *results[i].lock().unwrap_or_else(PoisonError::into_inner) = scored;
                }
            };
            thread::scope(|scope| {
                for _ in 0..self.options.connections.min(chunks.len()) {
                    scope.spawn(work);
                }
            });
            let all = results.into_iter().map(Mutex::into_inner);
            all.flat_map(|chunk| chunk.unwrap_or_else(PoisonError::into_inner))
                .collect()
        }

        fn check_gold(&self, _prompt: &str, _answer: &str) -> Result<(), RewardError> {
            Ok(())
        }
    }
}
