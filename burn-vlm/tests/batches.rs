//! A sequence does not depend on its batch.

#![allow(clippy::unwrap_used)]

mod common;

use burn::tensor::{Device, TensorData};
use burn_vlm::{
    Row, Vlm, VlmInput,
    generate::{
        Completion, Engine, Event, FinishReason, Generator, Limits, Request, SampleKey, Sampling,
    },
    rng::{mix, uniform},
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
        limits: Limits::rows(max_batch),
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
        assert_close(&TensorData::new(together, [n]), alone, 2e-5, at);
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

/// The same tokens, and their log-probabilities to the rounding of matrix products, whose order of
/// summation depends on the number of rows.
fn assert_same(found: &Completion, expected: &Completion, at: &str) {
    assert_eq!(found.tokens, expected.tokens, "{at}");
    assert_eq!(found.finish, expected.finish, "{at}");
    let numbers = |c: &Completion| [&c.logprobs[..], &c.behaviour_logprobs].concat();
    let (found, expected) = (numbers(found), numbers(expected));
    let n = found.len();
    assert_close(&TensorData::new(found, [n]), &expected, 2e-5, at);
}

/// Draws of every prompt in any order, with any room: each is what it is alone.
#[test]
fn a_completion_depends_on_its_key_alone_whatever_the_queue_and_the_limits() {
    let (model, case) = setup();
    let all = requests(&case, 5);
    let stop = [17, 42, 99, 150, 200, 250];
    let sampling = Sampling {
        max_new_tokens: 12,
        top_p: 0.95,
        ..Sampling::default()
    };
    let drawn = |requests: &[Request], limits| {
        let generator = Generator {
            model: &model,
            sampling,
            stop: &stop,
            limits,
            logprob_temperature: 1.0,
        };
        generator.generate(requests, &mut |_| ()).unwrap()
    };
    let alone: Vec<Completion> = all
        .iter()
        .map(|request| drawn(std::slice::from_ref(request), Limits::rows(1)).remove(0))
        .collect();
    let longest = case.tokens.iter().map(Vec::len).max().unwrap();
    for seed in 0..12 {
        let mut order: Vec<usize> = (0..all.len()).collect();
        order.sort_by_key(|i| mix(seed, *i as u64));
        let below = |i: u64, n: f64| (uniform(mix(seed, 1000 + i)) * n) as usize;
        order.truncate(1 + below(0, all.len() as f64));
        let limits = Limits {
            max_batch: 1 + below(1, 9.0),
            max_tokens: longest.next_multiple_of(16) + 16 + below(2, 400.0),
        };
        let queue: Vec<Request> = order.iter().map(|i| all[*i].clone()).collect();
        for (found, i) in drawn(&queue, limits).iter().zip(&order) {
            assert_same(found, &alone[*i], &format!("{seed} {limits:?} {i}"));
        }
    }
}

#[test]
fn an_engine_takes_requests_while_it_runs_and_lets_go_of_them() {
    let (model, case) = setup();
    let all = requests(&case, 3);
    let generator = Generator {
        model: &model,
        sampling: Sampling::default(),
        stop: &[],
        limits: Limits::rows(2),
        logprob_temperature: 1.0,
    };
    let long = |max_new_tokens| Sampling {
        max_new_tokens,
        ..Sampling::default()
    };
    let alone = |request: &Request, sampling| {
        let own = Generator {
            sampling,
            ..generator
        };
        own.generate(std::slice::from_ref(request), &mut |_| ())
            .unwrap()
            .remove(0)
    };
    let mut engine = Engine::new(generator).unwrap();
    assert!(engine.is_idle() && engine.step().unwrap().is_empty());
    let first = engine.add(all[0].clone(), long(6)).unwrap();
    let second = engine.add(all[1].clone(), long(9)).unwrap();
    let third = engine.add(all[2].clone(), long(2)).unwrap();
    let mut events = engine.step().unwrap();
    // Two have room; the third begins once the second is let go.
    assert_eq!(events.len(), 2);
    assert!(engine.cancel(second) && !engine.cancel(second));
    let fourth = engine.add(all[3].clone(), long(4)).unwrap();
    let never = engine.add(all[4].clone(), long(4)).unwrap();
    assert!(engine.cancel(never));
    let mut steps = 1;
    while !engine.is_idle() {
        events.extend(engine.step().unwrap());
        steps += 1;
    }
    // The third takes steps 2 and 3, the fourth 4 to 7, the first 1 to 6.
    assert_eq!(steps, 7);
    for (id, request, sampling) in [
        (first, &all[0], long(6)),
        (third, &all[2], long(2)),
        (fourth, &all[3], long(4)),
    ] {
        let expected = alone(request, sampling);
        let tokens = events.iter().filter_map(|event| match event {
            Event::Token { id: own, token, .. } if *own == id => Some(*token),
            _ => None,
        });
        assert_eq!(tokens.collect::<Vec<_>>(), expected.tokens);
        let mut finished = events.iter().filter_map(|event| match event {
            Event::Finished {
                id: own,
                completion,
            } if *own == id => Some(completion),
            _ => None,
        });
        assert_same(finished.next().unwrap(), &expected, "finished");
        assert!(finished.next().is_none());
    }
}

#[test]
fn what_has_no_room_even_alone_is_refused_before_anything_runs() {
    let (model, case) = setup();
    let all = requests(&case, 1);
    let (len, mut told) = (all[0].prompt.tokens.len(), 0);
    let needed = len.next_multiple_of(16) + 16;
    let generator = Generator {
        model: &model,
        sampling: Sampling::greedy(12),
        stop: &[],
        limits: Limits {
            max_batch: 4,
            max_tokens: needed - 1,
        },
        logprob_temperature: 1.0,
    };
    let found = generator.generate(&all[..1], &mut |_| told += 1);
    assert_eq!(
        found.unwrap_err().to_string(),
        format!(
            "max_tokens is {}, expected at least {needed}, which a prompt of {len} tokens and 12 \
             new ones take",
            needed - 1
        )
    );
    assert_eq!(told, 0);
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
                limits: Limits::rows(64),
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
        limits: Limits::rows(1),
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
