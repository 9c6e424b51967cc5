use super::*;
use crate::{
    footprint::CacheLoad,
    nn::attention::grouped_attention,
    rng::{mix, uniform},
};
use burn::tensor::TensorData;

const SIZES: CacheSizes = CacheSizes {
    layers: 2,
    kv_heads: 2,
    head_dim: 5,
    dtype: DType::F32,
};
const HEADS: usize = 6;
const LAYERS: usize = 2;

/// Numbers `[heads, dim]` of one token of one sequence.
fn token(key: u64, heads: usize) -> Vec<f32> {
    let draw = |i: usize| (6.0 * uniform(mix(key, i as u64)) - 3.0) as f32;
    (0..heads * SIZES.head_dim).map(draw).collect()
}

/// Tokens as `[1, heads, n, dim]`.
fn tensor(tokens: &[Vec<f32>], heads: usize) -> Tensor<4> {
    let (n, d) = (tokens.len(), SIZES.head_dim);
    let data = TensorData::new(tokens.concat(), [1, n, heads, d]);
    Tensor::from_data(data, &Device::flex()).swap_dims(1, 2)
}

/// Tokens of several rows as `[n, heads, 1, dim]`.
fn column(tokens: &[Vec<f32>], heads: usize) -> Tensor<4> {
    let data = TensorData::new(tokens.concat(), [tokens.len(), heads, 1, SIZES.head_dim]);
    Tensor::from_data(data, &Device::flex())
}

/// A number for what a value is: key or value, layer, sequence or prompt, position.
fn name(what: u64, layer: usize, who: u64, at: usize) -> u64 {
    [layer as u64, who, at as u64].into_iter().fold(what, mix)
}

/// A sequence that the test knows all of.
struct Known {
    id: RowId,
    who: u64,
    prompt: usize,
    len: usize,
    room: usize,
}

/// The attention of a sequence's last token, from its keys and values alone.
fn alone(layer: usize, row: &Known, prompt: (u64, usize)) -> Vec<f32> {
    let all = |what: u64| {
        let shared = (0..prompt.1).map(|at| name(what, layer, prompt.0, at));
        let own = (0..=row.len).map(|at| name(what, layer, row.who, at));
        let tokens = shared.chain(own).map(|key| token(key, SIZES.kv_heads));
        tensor(&tokens.collect::<Vec<_>>(), SIZES.kv_heads)
    };
    let q = column(&[token(name(3, layer, row.who, row.len), HEADS)], HEADS);
    let found = grouped_attention(q, all(1), all(2), None);
    found.into_data().iter().collect()
}

/// Sequences come and go; whoever attends finds what is its own.
fn play(cache: &mut dyn KvCache, seed: u64, steps: usize) -> Vec<Vec<f32>> {
    let mut next = seed;
    let mut below = |n: usize| {
        next = mix(next, 1);
        (uniform(next) * n as f64) as usize
    };
    let mut prompts: Vec<Option<(PromptId, u64, usize)>> = vec![];
    let mut rows: Vec<Known> = vec![];
    let (mut who, mut outputs) = (1000, vec![]);
    for step in 0..steps {
        if below(3) == 0 || prompts.is_empty() {
            let len = 1 + below(if step > steps / 2 { 150 } else { 30 });
            who += 1;
            let id = cache.add_prompt(len);
            for layer in 0..LAYERS {
                let all = |what| {
                    // Something else lies before and behind.
                    let tokens = (0..len + 3).map(|at| match (1..=len).contains(&at) {
                        true => token(name(what, layer, who, at - 1), SIZES.kv_heads),
                        false => token(at as u64, SIZES.kv_heads),
                    });
                    tensor(&tokens.collect::<Vec<_>>(), SIZES.kv_heads)
                };
                cache.write_prompts(layer, &[(id, 1..len + 1)], all(1), all(2));
            }
            prompts.push(Some((id, who, len)));
        }
        for _ in 0..below(4) {
            let at = below(prompts.len());
            if let Some((id, ..)) = prompts[at] {
                who += 1;
                let room = 1 + below(40);
                let id = cache.add_row(id, room);
                let (prompt, len) = (at, 0);
                rows.push(Known {
                    id,
                    who,
                    prompt,
                    len,
                    room,
                });
            }
        }
        if !rows.is_empty() {
            let ids: Vec<RowId> = rows.iter().map(|row| row.id).collect();
            let order = cache.arrange(&ids);
            for layer in 0..LAYERS {
                let batch = |what, heads| {
                    let of = |place: &Option<usize>| match place {
                        Some(i) => token(name(what, layer, rows[*i].who, rows[*i].len), heads),
                        None => token(0, heads),
                    };
                    column(&order.iter().map(of).collect::<Vec<_>>(), heads)
                };
                let (kv, q) = (SIZES.kv_heads, batch(3, HEADS));
                let found = cache.attend(layer, q, batch(1, kv), batch(2, kv));
                assert_eq!(found.dims(), [order.len(), HEADS, 1, SIZES.head_dim]);
                let found: Vec<f32> = found.into_data().iter().collect();
                let found = found.chunks(HEADS * SIZES.head_dim).zip(&order);
                for (found, place) in found {
                    let Some(i) = place else { continue };
                    let (_, who, len) = prompts[rows[*i].prompt].expect("it has sequences");
                    let expected = alone(layer, &rows[*i], (who, len));
                    let pairs = found.iter().zip(&expected);
                    pairs.for_each(|(a, b)| assert!((a - b).abs() < 2e-5, "{step}: {a} {b}"));
                    outputs.push(found.to_vec());
                }
            }
            cache.advance();
        }
        rows.iter_mut().for_each(|row| row.len += 1);
        let quick = below(9);
        rows.retain(|row| {
            let stays = row.len < row.room && (row.who % 9) as usize != quick;
            if !stays {
                cache.remove_row(row.id);
            }
            stays
        });
        for (at, prompt) in prompts.iter_mut().enumerate() {
            if rows.iter().all(|row| row.prompt != at)
                && let Some((id, ..)) = prompt.take_if(|_| step % 3 == 0)
            {
                cache.remove_prompt(id);
            }
        }
        if step % 5 == 4 {
            cache.shrink();
        }
    }
    outputs
}

#[test]
fn sequences_see_their_prompt_and_their_own_tokens_whoever_comes_and_goes() {
    for seed in 0..6 {
        let pages = play(&mut PagedCache::new(SIZES), seed, 60);
        let mut slots = SlotCache::new(SIZES, 5, 8, &Device::flex());
        let slots = play(&mut slots, seed, 60);
        assert!(pages.len() > 100 && slots.len() == pages.len());
    }
}

#[test]
fn what_a_query_finds_in_pages_is_the_same_to_the_last_bit_whoever_reads_them_too() {
    let run = |others: usize| {
        let mut cache = PagedCache::new(SIZES);
        let prompt = cache.add_prompt(77);
        for layer in 0..LAYERS {
            let all = |what| {
                let tokens = (0..77).map(|at| token(name(what, layer, 1, at), SIZES.kv_heads));
                tensor(&tokens.collect::<Vec<_>>(), SIZES.kv_heads)
            };
            cache.write_prompts(layer, &[(prompt, 0..77)], all(1), all(2));
        }
        let rows: Vec<RowId> = (0..=others).map(|_| cache.add_row(prompt, 20)).collect();
        let mut outputs = vec![];
        for at in 0..20 {
            cache.arrange(&rows);
            let batch = |what, heads| {
                let of = |row: u64| token(name(what, 0, 100 + row, at), heads);
                column(&(0..=others as u64).map(of).collect::<Vec<_>>(), heads)
            };
            let (kv, q) = (SIZES.kv_heads, batch(3, HEADS));
            let found = cache.attend(0, q, batch(1, kv), batch(2, kv));
            outputs.push(found.narrow(0, 0, 1).into_data().try_into_vec::<f32>());
            cache.attend(1, batch(3, HEADS), batch(1, kv), batch(2, kv));
            cache.advance();
        }
        outputs
            .into_iter()
            .map(|x| x.expect("f32"))
            .collect::<Vec<_>>()
    };
    let alone = run(0);
    for others in [1, 2, 6, 31] {
        assert_eq!(run(others), alone, "{others}");
    }
}

#[test]
fn room_is_counted_in_pages_and_in_places() {
    let mut pages = PagedCache::new(SIZES);
    let mut slots = SlotCache::new(SIZES, 6, 64, &Device::flex());
    let counted = |cache: &mut dyn KvCache| {
        let alone = cache.positions_alone(40, 10);
        let prompt = cache.add_prompt(40);
        let rows = [20, 20, 20].map(|n| {
            let expected = cache.positions_with(None, n);
            let row = cache.add_row(prompt, n);
            assert_eq!(cache.positions(), expected);
            row
        });
        let more = cache.positions_with(Some(70), 10);
        let load = CacheLoad {
            prompts: 1,
            prompt_len: 40,
            rows: 3,
            new_tokens: 20,
            is_paged: alone == 64,
        };
        assert_eq!(load.positions(), cache.positions());
        rows.into_iter().for_each(|row| cache.remove_row(row));
        cache.remove_prompt(prompt);
        [alone, more, cache.positions_with(Some(40), 10)]
    };
    // 48 + 16; 48 + 3 · 32 and 80 + 16 more.
    assert_eq!(counted(&mut pages), [64, 240, 64]);
    // 64 + 64; two prompts of 128 and four sequences of 64.
    assert_eq!(counted(&mut slots), [128, 512, 128]);
}
