//! Thoughts in responses, also those that the prompt has begun.

use crate::RewardInput;
use std::borrow::Cow;

/// The response with the `<think>` that the prompt has opened for it. One that opens its thought
/// again is left as it is.
pub(super) fn whole<'a>(input: &RewardInput<'a>) -> Cow<'a, str> {
    opened(input.response, input.thought_is_open())
}

/// The response, after `<think>` if the prompt ends with it.
pub(super) fn opened(response: &str, in_prompt: bool) -> Cow<'_, str> {
    match in_prompt && !response.trim_start().starts_with("<think>") {
        true => format!("<think>{response}").into(),
        false => response.into(),
    }
}

/// Whether something is thought: dots and white space are no thought.
pub(super) fn is_thought(text: &str) -> bool {
    text.contains(char::is_alphanumeric)
}
