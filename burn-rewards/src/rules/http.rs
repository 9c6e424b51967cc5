//! A reward from an HTTP server.

use super::Options;
use crate::RewardFn;
use serde::{Deserialize, Serialize};

/// A server that is posted `{"query":[…],"prompts":[…],"labels":[…],"responses":[…],"inputs":[…],
/// "version":2}`, one entry a response, and answers `{"rewards":[…]}`, with other lists of numbers as further parts.
///
/// `inputs` has what else is known of each row, as [`super::Command`] is told it. The rest is the
/// contract of MM-Eureka's and OpenRLHF's remote reward models, with their patience: 180 s a
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
        crate::remote::http::check_url(&self.url)?;
        serving::HttpReward::new(self).map(|reward| Box::new(reward) as Box<dyn RewardFn>)
    }
}

#[cfg(feature = "http")]
mod serving {
    use super::{Http, Options};
    use crate::{
        Reward, RewardError, RewardFn, RewardInput,
        remote::{
            PROTOCOL, fill,
            http::{Server, duration, timeout, token},
            in_parallel, number,
        },
    };
    use serde_json::{Map, Value, json};
    use std::sync::OnceLock;

    pub(super) struct HttpReward {
        options: Http,
        server: Server,
    }

    type Scored = Result<Reward, RewardError>;

    impl HttpReward {
        pub fn new(options: Http) -> Result<Self, String> {
            let timeout = timeout(options.timeout_s)?;
            let pause = duration("pause_s", options.pause_s)?;
            let token = token(&options.token_env)?;
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
                "query": column(&|i| {
                    fill(&self.options.query, |name| match name {
                        "prompt" => Some(i.prompt.into()),
                        "response" => Some(i.response.into()),
                        _ => None,
                    })
                }),
                "prompts": column(&|i| i.prompt.into()),
                "labels": inputs.iter().map(label).collect::<Vec<_>>(),
                "responses": column(&|i| i.response.into()),
                "inputs": inputs.iter().map(RewardInput::context).collect::<Vec<_>>(),
                "version": PROTOCOL,
            });
            let cancel = inputs.first().and_then(|input| input.cancel);
            let scored = self
                .server
                .post(&body, cancel, || failure.get().is_some())
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

    /// The gold answer, a list where several are accepted; the contract knows no null.
    fn label(input: &RewardInput<'_>) -> Value {
        match input.gold() {
            Value::Null => "".into(),
            gold => gold,
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
            let failure = OnceLock::new();
            let work = |i: usize| self.request(chunks[i], &failure);
            in_parallel(chunks.len(), self.options.connections, work)
                .into_iter()
                .flatten()
                .collect()
        }

        fn check_gold(&self, _row: &RewardInput<'_>) -> Result<(), RewardError> {
            Ok(())
        }

        fn needs_answer(&self, _row: &RewardInput<'_>) -> bool {
            false
        }

        fn reads_all_answers(&self) -> bool {
            true
        }
    }
}
