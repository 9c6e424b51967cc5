//! A sequence does not depend on its batch.

#![allow(clippy::unwrap_used)]

mod common;

use burn::tensor::{Device, TensorData};
use burn_vlm::{
    Row, Vlm, VlmInput,
    generate::{Completion, FinishReason, Generator, Request, SampleKey, Sampling},
    tape::{ActivationRecompute, Tape, Targets},
};
use common::{Case, assert_close, each_case, golden};

fn setup() -> (Vlm, Case) {
    let model = Vlm::from_dir(&golden("qwen2_5_vl"), &Device::flex()).unwrap();
    let case = Case::load("qwen2_5_vl", "batch", model.config());
    (model, case)
}

fn requests(case: &Case, draws: u64) -> Vec<Request> {
    let rows = case.requests().into_iter().enumerate();
    rows.flat_map(|(i, row)| {
        (0..draws).map(move |draw| Request {
            prompt: row.prompt.clone(),
            key: SampleKey {
                seed: 5,
                step: 2,
                prompt: i as u64,
                draw,
                ..SampleKey::default()
            },
        })
    })
    .collect()
}

fn generate(model: &Vlm, requests: &[Request], stop: &[u32], max_batch: usize) -> Vec<Completion> {
    let sampling = Sampling {
        max_new_tokens: 12,
        top_p: 0.95,
        ..Sampling::default()
    };
    let generator = Generator {
        model,
        sampling,
        stop,
        max_batch,
        logprob_temperature: 1.0,
    };
    generator.generate(requests, &mut |_| ()).unwrap()
}

/// Log-probabilities of every row of a batch but of its first token.
fn score(model: &Vlm, rows: &[Row<'_>]) -> Vec<Vec<f32>> {
    score_at(model, rows, 1.0)
}

fn score_at(model: &Vlm, rows: &[Row<'_>], temperature: f64) -> Vec<Vec<f32>> {
    let input = VlmInput::new(rows, model.config(), &Device::flex()).unwrap();
    let tokens: Vec<&[u32]> = rows.iter().map(|r| r.tokens).collect();
    let counts: Vec<usize> = tokens.iter().map(|t| t.len() - 1).collect();
    let targets = Targets::new(&tokens, &counts, input.width, &Device::flex()).unwrap();
    let tape = Tape::record(
        model,
        &input,
        &targets,
        temperature,
        ActivationRecompute::Block,
    );
    let scores = tape.scores().logp;
    let r = scores.dims()[1];
    let flat: Vec<f32> = scores.into_data().iter().collect();
    let counts = counts.iter().enumerate();
    counts
        .map(|(b, n)| flat[b * r..b * r + n].to_vec())
        .collect()
}

fn assert_alone(model: &Vlm, rows: &[Row<'_>], at: &str) {
    for (row, together) in rows.iter().zip(score(model, rows)) {
        let n = together.len();
        let alone = &score(model, std::slice::from_ref(row))[0];
        assert_close(&TensorData::new(together, [n]), alone, 1e-5, at);
    }
}

#[test]
fn rows_score_as_they_do_alone() {
    each_case(|model, case, at| assert_alone(model, &case.rows(), at));
}

#[test]
fn a_row_beyond_the_trained_positions_stretches_itself_only() {
    let model = Vlm::from_dir(&golden("internlm2"), &Device::flex()).unwrap();
    let [long, short] = ["long", "short"].map(|n| Case::load("internlm2", n, model.config()));
    assert!(long.tokens[0].len() > model.config().max_position_embeddings);
    let rows = [long.rows(), short.rows()].concat();
    assert_alone(&model, &rows, "long and short");
}

#[test]
fn sampled_tokens_do_not_depend_on_the_batch() {
    let (model, case) = setup();
    let all = requests(&case, 4);
    let stop = [17, 42, 99, 150, 200, 250];
    let together = generate(&model, &all, &stop, 64);
    for max_batch in [1, 5] {
        let apart = generate(&model, &all, &stop, max_batch);
        for (a, b) in together.iter().zip(&apart) {
            assert_eq!(a.tokens, b.tokens);
            assert_eq!(a.finish, b.finish);
        }
    }
    let mut backwards = all.clone();
    backwards.reverse();
    let mut reversed = generate(&model, &backwards, &stop, 64);
    reversed.reverse();
    assert!(
        together
            .iter()
            .zip(&reversed)
            .all(|(a, b)| a.tokens == b.tokens)
    );
    let distinct: std::collections::HashSet<_> = together.iter().map(|c| &c.tokens).collect();
    assert!(
        distinct.len() > all.len() / 2,
        "draws differ from one another"
    );
}

#[test]
fn a_stop_token_ends_its_own_sequence_only() {
    let (model, case) = setup();
    let all = requests(&case, 4);
    let free = generate(&model, &all, &[], 64);
    assert!(
        free.iter()
            .all(|c| c.tokens.len() == 12 && c.finish == FinishReason::Length)
    );
    let stop = [free[0].tokens[3]];
    for (cut, whole) in generate(&model, &all, &stop, 64).iter().zip(&free) {
        let end = whole.tokens.iter().position(|t| *t == stop[0]);
        match end {
            Some(end) => {
                assert_eq!(cut.tokens, whole.tokens[..=end]);
                assert_eq!(cut.finish, FinishReason::Stop);
            }
            None => assert_eq!(cut.tokens, whole.tokens),
        }
        assert_eq!(cut.logprobs.len(), cut.tokens.len());
        assert_eq!(cut.behaviour_logprobs.len(), cut.tokens.len());
    }
}

/// Whatever the sampling, an engine reports what a tape finds at the same temperature.
#[test]
fn reported_logprobs_are_those_of_a_tape_at_any_temperature() {
    let (model, case) = setup();
    let all = requests(&case, 2);
    for (temperature, top_p) in [(1.0, 1.0), (0.6, 0.9), (1.3, 1.0), (0.0, 1.0)] {
        for logprob_temperature in [1.0, 0.6, 1.3] {
            let generator = Generator {
                model: &model,
                sampling: Sampling {
                    temperature,
                    top_p,
                    max_new_tokens: 6,
                    ..Sampling::default()
                },
                stop: &[],
                max_batch: 64,
                logprob_temperature,
            };
            let drawn = generator.generate(&all, &mut |_| ()).unwrap();
            for (completion, request) in drawn.iter().zip(&all) {
                let tokens = [&request.prompt.tokens[..], &completion.tokens].concat();
                let row = Row {
                    tokens: &tokens,
                    images: &request.prompt.images,
                };
                let scored = score_at(&model, &[row], logprob_temperature).remove(0);
                let scored = &scored[scored.len() - completion.tokens.len()..];
                let found = TensorData::new(completion.logprobs.clone(), [scored.len()]);
                let at = format!("{temperature} at {logprob_temperature}");
                assert_close(&found, scored, 2e-5, &at);
                if (temperature, top_p) == (logprob_temperature, 1.0) {
                    // Without truncation it is the behaviour policy's own.
                    assert_close(&found, &completion.behaviour_logprobs, 1e-5, &at);
                }
            }
        }
    }
    let generator = Generator {
        model: &model,
        sampling: Sampling::default(),
        stop: &[],
        max_batch: 1,
        logprob_temperature: 0.0,
    };
    let message = generator.generate(&all, &mut |_| ()).unwrap_err();
    assert!(message.to_string().contains("logprob_temperature is 0"));
}

#[test]
fn an_image_token_in_a_response_is_text() {
    let (model, case) = setup();
    let image = model.config().image_token_id.unwrap();
    let mut tokens = case.tokens[0].clone();
    tokens.extend([image, image, 7]);
    let row = Row {
        tokens: &tokens,
        images: &case.images[0],
    };
    let input = VlmInput::new(&[row], model.config(), &Device::flex()).unwrap();
    let hidden: Vec<f32> = model.hidden(&input).into_data().iter().collect();
    assert!(hidden.iter().all(|x| x.is_finite()));
    let alone = VlmInput::new(&case.rows()[..1], model.config(), &Device::flex()).unwrap();
    assert_eq!(input.next_positions[0], alone.next_positions[0] + 3);
}
