use super::*;
use crate::{
    nn::attention::grouped_attention,
    rng::{mix, uniform},
};
use burn::tensor::{Bool, Device, Tensor, TensorData};

const D: usize = 4;

/// A prompt and the lengths of the responses to it.
type Group = (usize, Vec<usize>);

/// Segments of groups, and of every row the ranges that it is made of.
fn lay(groups: &[Group]) -> (Vec<Segment>, Vec<Vec<Range<usize>>>, usize) {
    let (mut segments, mut rows, mut end) = (vec![], vec![], 0);
    let mut next = |len: usize| {
        end += len;
        end - len..end
    };
    for (prompt, responses) in groups {
        let prompt = next(*prompt);
        segments.push(Segment {
            context: None,
            own: prompt.clone(),
        });
        for len in responses {
            let own = next(*len);
            rows.push(vec![prompt.clone(), own.clone()]);
            segments.push(Segment {
                context: Some(prompt.clone()),
                own,
            });
        }
        if responses.is_empty() {
            rows.push(vec![prompt]);
        }
    }
    (segments, rows, end)
}

fn values(key: u64, heads: usize, n: usize) -> Tensor<4> {
    let draw = |i: usize| (4.0 * uniform(mix(key, i as u64)) - 2.0) as f32;
    let values: Vec<f32> = (0..heads * n * D).map(draw).collect();
    Tensor::from_data(TensorData::new(values, [1, heads, n, D]), &Device::flex())
}

/// Causal attention of one row alone.
fn alone(q: Tensor<4>, k: Tensor<4>, v: Tensor<4>) -> Tensor<4> {
    let n = q.dims()[2];
    let mask = Tensor::<2, Bool>::tril_mask([n, n], 0, &Device::flex());
    let mut mask = mask.reshape([1, 1, n, n]);
    if q.is_autodiff() {
        mask = mask.autodiff();
    }
    grouped_attention(q, k, v, Some(&mask))
}

fn worst(a: &Tensor<4>, b: &Tensor<4>) -> f32 {
    let scale: f32 = b.clone().abs().max().into_scalar();
    let off: f32 = (a.clone() - b.clone()).abs().max().into_scalar();
    off / scale.max(1e-3)
}

/// Attention and its gradients against those of every row alone, a prompt's being the sums over
/// its rows.
fn check(groups: &[Group], key: u64) {
    let (segments, rows, n) = lay(groups);
    let (heads, kv) = ([4, 2, 2][key as usize % 3], [2, 2, 1][key as usize % 3]);
    let [q, k, v, up] = [heads, kv, kv, heads].map(|h| values(mix(key, h as u64 + n as u64), h, n));
    let v = v.add_scalar(0.5);
    let pick = |x: &Tensor<4>, ranges: &[Range<usize>]| {
        let parts = ranges.iter().filter(|range| !range.is_empty());
        let part = |range: &Range<usize>| x.clone().narrow(2, range.start, range.len());
        Tensor::cat(parts.map(part).collect(), 2)
    };
    let segments = Segments::new(&segments, heads, &Device::flex());
    let found = segments.attend(q.clone(), k.clone(), v.clone());
    let tracked = [&q, &k, &v].map(|x| x.clone().autodiff().require_grad());
    let [tq, tk, tv] = tracked.clone();
    let with_ops = segments.attend(tq.clone(), tk.clone(), tv.clone());
    assert!(
        worst(&with_ops.clone().inner(), &found) < 2e-6,
        "{groups:?}"
    );
    // The prompt's output counts once, with its first row.
    let mut loss = None;
    let mut seen = vec![false; n];
    for ranges in &rows {
        let expected = alone(pick(&q, ranges), pick(&k, ranges), pick(&v, ranges));
        assert!(worst(&pick(&found, ranges), &expected) < 2e-6, "{groups:?}");
        let own = alone(pick(&tq, ranges), pick(&tk, ranges), pick(&tv, ranges));
        let weights = ranges
            .iter()
            .filter(|range| !range.is_empty())
            .map(|range| {
                let fresh = !seen[range.start];
                seen[range.start] = true;
                let part = up.clone().narrow(2, range.start, range.len());
                if fresh { part } else { part.zeros_like() }
            });
        let weights = Tensor::cat(weights.collect(), 2);
        let term = (own * weights.autodiff()).sum();
        loss = Some(match loss {
            Some(sum) => sum + term,
            None => term,
        });
    }
    let mut expected = loss.expect("at least one row").backward();
    let gradients = segments.backward(q, k, v, up);
    for (found, leaf) in gradients.iter().zip(&tracked) {
        let expected = leaf.grad_remove(&mut expected).expect("a gradient");
        assert!(worst(found, &expected) < 2e-5, "{groups:?}");
    }
}

#[test]
fn a_thousand_layouts_attend_as_rows_alone() {
    for case in 0..1000_u64 {
        let draw = |i: u64, below: u64| (uniform(mix(case, i)) * below as f64) as usize;
        let group = |g: u64| {
            let responses = (0..draw(100 * g + 1, 9) as u64).map(|r| draw(100 * g + r + 2, 7));
            (1 + draw(100 * g, 9), responses.collect())
        };
        let groups: Vec<Group> = (0..1 + draw(9999, 3) as u64).map(group).collect();
        check(&groups, case);
    }
}

#[test]
fn longer_ones_than_a_tile_has_queries() {
    check(&[(TILE_QUERIES + 40, vec![3, TILE_QUERIES + 9, 0, 5])], 1);
    check(&[(5, vec![2 * TILE_QUERIES + 1]), (300, vec![])], 2);
}

#[test]
fn neighbours_share_a_tile() {
    let (segments, ..) = lay(&[(3, vec![2, 0, 4]), (2, vec![])]);
    let tiles = Segments::new(&segments, 1, &Device::flex()).tiles;
    let tile = |context: Option<Range<usize>>, own, first: &[usize]| Tile {
        context: context.into_iter().collect(),
        own,
        first: first.to_vec(),
    };
    assert_eq!(
        tiles,
        [
            tile(None, 0..3, &[0, 0, 0]),
            tile(Some(0..3), 3..9, &[0, 0, 2, 2, 2, 2]),
            tile(None, 9..11, &[0, 0]),
        ]
    );
}
