//! Asking the judge.

use super::ChatJudge;
use crate::{
    Reward, RewardError, RewardFn, RewardInput,
    names::near,
    remote::{
        cache::ReplyCache,
        excerpt, fill,
        http::{Server, check_url, duration, timeout, token},
        in_parallel, names_in,
    },
    rules::Options,
};
use serde_json::{Map, Value, json};
use std::{
    borrow::Cow,
    collections::HashMap,
    sync::{OnceLock, atomic::AtomicBool},
};

/// What a template may name, beside fields of the row.
const NAMES: [&str; 3] = ["question", "response", "gold"];
const PATH: &str = "/chat/completions";

pub(super) struct Judge {
    options: ChatJudge,
    server: Server,
    cache: Option<ReplyCache>,
}

type Scored = Result<Reward, RewardError>;

impl Judge {
    pub fn new(options: ChatJudge) -> Result<Self, String> {
        check_url(&options.url)?;
        let address = options.url.trim_end_matches('/');
        let address = match (address.ends_with(PATH), address.ends_with("/v1")) {
            (true, _) => address.to_owned(),
            (false, true) => format!("{address}{PATH}"),
            (false, false) => format!("{address}/v1{PATH}"),
        };
        if options.model.trim().is_empty() {
            return Err("option `model` is empty, expected the name of a model".into());
        }
        check_template("template", &options.template)?;
        check_template("system", &options.system)?;
        if !names_in(&options.template).contains(&"response") {
            return Err("option `template`: expected {response} in it".into());
        }
        let (low, high) = (options.low, options.high);
        if !(low.is_finite() && high.is_finite() && low < high) {
            return Err(format!(
                "option `high` is {high}, expected a number above `low`, which is {low}"
            ));
        }
        if !(0.0..=1.0).contains(&options.correct_at) {
            let at = options.correct_at;
            return Err(format!("option `correct_at` is {at}, expected 0 to 1"));
        }
        for (name, value, most) in [
            ("tries", options.tries, 1000),
            ("connections", options.connections, 256),
        ] {
            if !(1..=most).contains(&value) {
                return Err(format!("option `{name}` is {value}, expected 1 to {most}"));
            }
        }
        let fixed = ["model", "messages", "temperature", "stream"];
        if let Some(key) = options
            .body
            .keys()
            .find(|key| fixed.contains(&key.as_str()))
        {
            return Err(format!("option `body`: `{key}` is set by this rule"));
        }
        let server = Server::new(
            &address,
            token(&options.token_env)?,
            timeout(options.timeout_s)?,
            options.tries,
            duration("pause_s", options.pause_s)?,
        );
        let cache = match options.cache_dir.as_str() {
            "" => None,
            dir => Some(ReplyCache::new(dir)),
        };
        Ok(Self {
            options,
            server,
            cache,
        })
    }

    fn error(&self, message: impl std::fmt::Display) -> RewardError {
        let (url, model) = (&self.server.url, &self.options.model);
        RewardError::service(ChatJudge::NAME, format!("{model} at {url}: {message}"))
    }

    /// What is posted for a response.
    fn request(&self, input: &RewardInput<'_>) -> Result<Value, RewardError> {
        let options = &self.options;
        let mut messages = vec![];
        for (role, template) in [("system", &options.system), ("user", &options.template)] {
            if !template.is_empty() {
                let content = filled(template, input)?;
                messages.push(json!({"role": role, "content": content}));
            }
        }
        let mut request = options.body.clone();
        request.insert("model".into(), options.model.clone().into());
        request.insert("messages".into(), messages.into());
        request.insert("temperature".into(), 0.into());
        if options.max_tokens > 0 {
            request.insert("max_tokens".into(), options.max_tokens.into());
        }
        Ok(Value::Object(request))
    }

    /// The reply to a request, kept or asked for. The first failure is the failure of all that
    /// follow: a server that is down is not waited for once a request.
    fn reply(
        &self,
        request: &Value,
        cancel: Option<&AtomicBool>,
        failure: &OnceLock<RewardError>,
    ) -> Result<String, RewardError> {
        let ask = || -> Result<String, String> {
            if let Some(cache) = &self.cache
                && let Some(reply) = cache.get(request)?
            {
                return Ok(reply);
            }
            let posted = self
                .server
                .post(request, cancel, || failure.get().is_some())?;
            let reply = content(&posted)?;
            // A reply that cannot be used is asked for again by the next run.
            self.value(&reply)?;
            if let Some(cache) = &self.cache {
                cache.put(request, &reply)?;
            }
            Ok(reply)
        };
        match failure.get() {
            Some(error) => Err(error.clone()),
            None => ask().map_err(|message| failure.get_or_init(|| self.error(message)).clone()),
        }
    }

    /// The value of a reply, 0 to 1.
    fn value(&self, reply: &str) -> Result<f64, String> {
        let options = &self.options;
        let key = match options.key.as_str() {
            "" => options.score.key(),
            key => key,
        };
        let read = options.score.read(reply, key, [options.low, options.high]);
        read.map_err(|expected| {
            let shown = excerpt(reply.as_bytes());
            format!("it answered {shown}, expected {expected}")
        })
    }

    fn scored(&self, reply: &str) -> Scored {
        let value = self.value(reply).map_err(|message| self.error(message))?;
        let at = self.options.correct_at;
        let correct = (at > 0.0).then_some(value >= at);
        Ok(Reward::single(ChatJudge::PART, value, correct))
    }
}

/// Refuses a name in braces that is nearly one that is filled in; other braces are text.
fn check_template(option: &str, template: &str) -> Result<(), String> {
    for name in names_in(template) {
        let known = NAMES.contains(&name) || name.starts_with("field.");
        if let Some(meant) = near(name, NAMES).filter(|_| !known) {
            return Err(format!(
                "option `{option}`: unknown {{{name}}}, did you mean {{{meant}}}?"
            ));
        }
    }
    Ok(())
}

fn filled(template: &str, input: &RewardInput<'_>) -> Result<String, RewardError> {
    if names_in(template).contains(&"gold") && input.answer.trim().is_empty() {
        let expected = "expected a text that is not empty";
        return Err(RewardError::gold(ChatJudge::NAME, input.answer, expected));
    }
    let mut fields: HashMap<&str, String> = HashMap::new();
    for name in names_in(template) {
        let Some(field) = name.strip_prefix("field.") else {
            continue;
        };
        let text = match input.field(field) {
            Some(Value::String(text)) => text.clone(),
            Some(value) => value.to_string(),
            None => {
                return Err(RewardError::Input {
                    rule: ChatJudge::NAME.into(),
                    message: format!("the field `{field}` of the row"),
                });
            }
        };
        fields.insert(name, text);
    }
    Ok(fill(template, |name| match name {
        "question" => Some(Cow::from(input.prompt)),
        "response" => Some(input.response.into()),
        "gold" => Some(input.answer.into()),
        name => fields.get(name).map(|text| text.as_str().into()),
    }))
}

/// The text of a chat completion.
fn content(reply: &Map<String, Value>) -> Result<String, String> {
    let message = reply
        .get("choices")
        .and_then(|c| c.get(0)?.get("message")?.get("content"));
    match message.and_then(Value::as_str) {
        Some(text) => Ok(text.to_owned()),
        None => {
            let shown = excerpt(Value::Object(reply.clone()).to_string().as_bytes());
            Err(format!(
                "it answered {shown}, expected a text at choices[0].message.content"
            ))
        }
    }
}

impl RewardFn for Judge {
    fn score(&self, input: &RewardInput<'_>) -> Scored {
        let reply = self.reply(&self.request(input)?, input.cancel, &OnceLock::new())?;
        self.scored(&reply)
    }

    fn part_names(&self) -> Vec<String> {
        vec![ChatJudge::PART.into()]
    }

    fn score_batch(&self, inputs: &[RewardInput<'_>]) -> Vec<Scored> {
        // What is the same is asked for once.
        let mut places: HashMap<String, usize> = HashMap::new();
        let mut requests: Vec<Value> = vec![];
        let mut place = |input: &RewardInput<'_>| -> Result<usize, RewardError> {
            let request = self.request(input)?;
            let next = requests.len();
            let place = *places.entry(request.to_string()).or_insert(next);
            if place == next {
                requests.push(request);
            }
            Ok(place)
        };
        let asked: Vec<Result<usize, RewardError>> = inputs.iter().map(&mut place).collect();
        let cancel = inputs.first().and_then(|input| input.cancel);
        let failure = OnceLock::new();
        let ask = |i: usize| Some(self.reply(&requests[i], cancel, &failure));
        let replies = in_parallel(requests.len(), self.options.connections, ask);
        let scored = |place: usize| match &replies[place] {
            Some(reply) => self.scored(reply.as_ref().map_err(RewardError::clone)?),
            None => Err(self.error("no reply")),
        };
        asked
            .into_iter()
            .map(|place| place.and_then(scored))
            .collect()
    }

    fn check_gold(&self, row: &RewardInput<'_>) -> Result<(), RewardError> {
        self.request(row).map(|_| ())
    }

    fn needs_answer(&self, row: &RewardInput<'_>) -> bool {
        matches!(self.request(row), Err(RewardError::Gold { .. }))
    }

    fn explain(&self, input: &RewardInput<'_>) -> Vec<String> {
        let reply = |request| self.reply(&request, input.cancel, &OnceLock::new());
        match self.request(input).and_then(reply) {
            Ok(reply) => vec![format!("the judge answered: {reply}")],
            Err(error) => vec![error.to_string()],
        }
    }
}
