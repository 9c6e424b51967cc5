//! The cache of devices that have kernels for shapes: places for so many prompts and sequences,
//! whose numbers and lengths grow in powers of two and in buckets.
//!
//! All sequences write the same column, which goes round: a sequence that begins sees the columns
//! that were written since, so places are used again without moving anything.

use super::{CacheSizes, KvCache, PromptId, RowId, Slab};
use crate::nn::int_tensor;
use burn::tensor::{Bool, DType, Device, Int, Tensor, TensorData};
use std::ops::Range;

/// A score this low is as good as none, and keeps a row whose keys are all masked finite.
const MASKED: f32 = -1.0e30;

/// Keys and values in tensors.
#[derive(Debug)]
pub struct SlotCache {
    sizes: CacheSizes,
    device: Device,
    max_rows: usize,
    bucket: usize,
    prompts: Slab<Prompt>,
    rows: Slab<Row>,
    /// Room that is needed.
    wanted: Room,
    /// Room that there is.
    room: Room,
    layers: Vec<Layer>,
    /// Tokens that were decoded: the next is written into column `clock mod columns`.
    clock: usize,
    begun: Option<Begun>,
}

/// Places, and positions of each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Room {
    prompts: usize,
    prompt_len: usize,
    rows: usize,
    columns: usize,
}

#[derive(Debug)]
struct Prompt {
    len: usize,
    place: usize,
}

#[derive(Debug)]
struct Row {
    prompt: usize,
    place: usize,
    /// When its first token was decoded.
    start: Option<usize>,
}

/// Keys and values, `[places, K, positions, head_dim]`.
#[derive(Debug)]
struct Layer {
    prompts: [Tensor<4>; 2],
    rows: [Tensor<4>; 2],
}

/// What the layers of one token share.
#[derive(Debug)]
struct Begun {
    /// Columns that are read.
    reach: usize,
    /// `[rows, 1, 1, reach]`, true where a key must not be seen.
    row_mask: Tensor<4, Bool>,
    /// `[prompts, 1, 1, prompt_len]`
    prompt_mask: Tensor<4, Bool>,
    /// The rows of each prompt, as many as the most that any has, `[prompts · most]`.
    by_prompt: Tensor<1, Int>,
    /// Where in `by_prompt` each row is.
    by_row: Tensor<1, Int>,
}

/// Attention to a part of the keys, to be put together with another.
struct Part {
    /// The largest score, `[…, 1]`
    max: Tensor<4>,
    /// `Σ exp(score − max)`, `[…, 1]`
    sum: Tensor<4>,
    /// `Σ exp(score − max) · value`, `[…, head_dim]`
    weighted: Tensor<4>,
}

impl Room {
    fn positions(self) -> usize {
        self.prompts * self.prompt_len + self.rows * self.columns
    }

    /// Room for both.
    fn union(self, other: Self) -> Self {
        Self {
            prompts: self.prompts.max(other.prompts),
            prompt_len: self.prompt_len.max(other.prompt_len),
            rows: self.rows.max(other.rows),
            columns: self.columns.max(other.columns),
        }
    }
}

impl SlotCache {
    /// Positions by which places grow and are read.
    pub const BUCKET: usize = 64;

    /// An empty cache of at most `max_rows` sequences, read in multiples of `bucket` positions.
    pub fn new(sizes: CacheSizes, max_rows: usize, bucket: usize, device: &Device) -> Self {
        Self {
            sizes,
            device: device.clone(),
            max_rows,
            bucket,
            prompts: Slab::new(),
            rows: Slab::new(),
            wanted: Room::default(),
            room: Room::default(),
            layers: vec![],
            clock: 0,
            begun: None,
        }
    }

    /// Places for `n`.
    fn places(&self, n: usize) -> usize {
        n.next_power_of_two().min(self.max_rows.max(n))
    }

    /// Room for this alone.
    fn room_of(&self, prompts: usize, prompt_len: usize, rows: usize, columns: usize) -> Room {
        Room {
            prompts: self.places(prompts),
            prompt_len: prompt_len.next_multiple_of(self.bucket),
            rows: self.places(rows),
            columns: columns.next_multiple_of(self.bucket),
        }
    }

    fn live(&self) -> [usize; 2] {
        [self.prompts.iter().count(), self.rows.iter().count()]
    }

    /// Room once a prompt or a sequence is there too. What an empty cache had does not count.
    fn room_with(&self, prompt: Option<usize>, row: Option<usize>) -> Room {
        let [prompts, rows] = self.live();
        let more = self.room_of(
            prompts + usize::from(prompt.is_some()),
            prompt.unwrap_or(1),
            rows + usize::from(row.is_some()),
            row.unwrap_or(1),
        );
        match [prompts, rows] {
            [0, 0] => more,
            _ => self.wanted.union(more),
        }
    }

    fn want(&mut self, room: Room) {
        if self.live() == [0, 0] {
            (self.layers, self.room, self.clock) = (vec![], Room::default(), 0);
        }
        self.wanted = room;
    }

    /// Makes the tensors as large as they are to be; `rows` and `prompts` are the places that stay,
    /// all of them if none are named.
    fn fit(&mut self, rows: Option<&[usize]>, prompts: Option<&[usize]>) {
        if self.room == self.wanted {
            return;
        }
        let (old, new) = (self.room, self.wanted);
        let CacheSizes {
            kv_heads,
            head_dim,
            dtype,
            ..
        } = self.sizes;
        let device = self.device.clone();
        let zeros = |places, len| {
            let shape = [places, kv_heads, len, head_dim];
            Tensor::<4>::zeros(shape, (&device, dtype))
        };
        if self.layers.is_empty() {
            let layer = |_| Layer {
                prompts: [0, 1].map(|_| zeros(new.prompts, new.prompt_len)),
                rows: [0, 1].map(|_| zeros(new.rows, new.columns)),
            };
            self.layers = (0..self.sizes.layers).map(layer).collect();
            self.room = new;
            return;
        }
        // Where columns went round they are put in order, the oldest first.
        let turn = match new.columns > old.columns && self.clock > old.columns {
            true => self.clock % old.columns,
            false => 0,
        };
        let pick = |x: Tensor<4>, places: Option<&[usize]>| match places {
            Some(places) => {
                let places = places.iter().map(|place| *place as i64).collect();
                x.select(0, int_tensor(places, &device))
            }
            None => x,
        };
        let moved = |x: Tensor<4>, places: usize, len: usize| {
            let [n, heads, filled, d] = x.dims();
            match (n, filled) == (places, len) {
                true => x,
                false => zeros(places, len).slice_assign([0..n, 0..heads, 0..filled, 0..d], x),
            }
        };
        let turned = |x: Tensor<4>| match turn {
            0 => x,
            at => {
                let oldest = x.clone().narrow(2, at, old.columns - at);
                Tensor::cat(vec![oldest, x.narrow(2, 0, at)], 2)
            }
        };
        let layers = std::mem::take(&mut self.layers).into_iter();
        let layers = layers.map(|layer| Layer {
            prompts: layer
                .prompts
                .map(|x| moved(pick(x, prompts), new.prompts, new.prompt_len)),
            rows: layer
                .rows
                .map(|x| moved(turned(pick(x, rows)), new.rows, new.columns)),
        });
        self.layers = layers.collect();
        if new.columns > old.columns && self.clock > old.columns {
            let shift = self.clock - old.columns;
            let starts = self.rows.iter_mut().flat_map(|row| row.start.as_mut());
            starts.for_each(|start| *start -= shift);
            self.clock = old.columns;
        }
        self.room = new;
    }

    /// Attention of `q` `[P, K, n, d]` to keys and values `[P, K, S, d]`.
    fn part(q: Tensor<4>, [k, v]: [Tensor<4>; 2], mask: &Tensor<4, Bool>) -> Part {
        let dtype = q.dtype();
        let scores = q.matmul(k.transpose()).cast(DType::F32);
        let scores = scores
            .clone()
            .mask_fill(mask.clone().expand(scores.dims()), MASKED);
        let max = scores.clone().max_dim(3);
        let weights = (scores - max.clone()).exp();
        Part {
            max,
            sum: weights.clone().sum_dim(3),
            weighted: weights.cast(dtype).matmul(v).cast(DType::F32),
        }
    }
}

fn free_place(taken: impl Iterator<Item = usize> + Clone) -> usize {
    let is_free = |place: &usize| taken.clone().all(|other| other != *place);
    (0..).find(is_free).expect("numbers do not end")
}

fn bools(values: Vec<bool>, rows: usize, device: &Device) -> Tensor<4, Bool> {
    let width = values.len() / rows;
    Tensor::from_data(TensorData::new(values, [rows, 1, 1, width]), device)
}

impl KvCache for SlotCache {
    fn positions(&self) -> usize {
        self.wanted.positions()
    }

    fn positions_with(&self, prompt: Option<usize>, new_tokens: usize) -> usize {
        self.room_with(prompt, Some(new_tokens)).positions()
    }

    fn positions_alone(&self, prompt: usize, new_tokens: usize) -> usize {
        self.room_of(1, prompt, 1, new_tokens).positions()
    }

    fn add_prompt(&mut self, len: usize) -> PromptId {
        self.want(self.room_with(Some(len), None));
        let place = free_place(self.prompts.0.iter().flatten().map(|prompt| prompt.place));
        PromptId(self.prompts.add(Prompt { len, place }))
    }

    fn write_prompts(
        &mut self,
        layer: usize,
        prompts: &[(PromptId, Range<usize>)],
        k: Tensor<4>,
        v: Tensor<4>,
    ) {
        self.fit(None, None);
        let [_, heads, _, d] = k.dims();
        for (id, range) in prompts {
            let place = self.prompts.get(id.0).place;
            let own = [place..place + 1, 0..heads, 0..range.len(), 0..d];
            for (all, new) in self.layers[layer].prompts.iter_mut().zip([&k, &v]) {
                let new = new.clone().narrow(2, range.start, range.len());
                all.inplace(|all| all.slice_assign(own.clone(), new));
            }
        }
    }

    fn remove_prompt(&mut self, prompt: PromptId) {
        self.prompts.remove(prompt.0);
    }

    fn add_row(&mut self, prompt: PromptId, new_tokens: usize) -> RowId {
        self.want(self.room_with(None, Some(new_tokens)));
        let place = free_place(self.rows.0.iter().flatten().map(|row| row.place));
        RowId(self.rows.add(Row {
            prompt: prompt.0,
            place,
            start: None,
        }))
    }

    fn remove_row(&mut self, row: RowId) {
        self.rows.remove(row.0);
    }

    fn shrink(&mut self) {
        let [prompts, rows] = self.live();
        let smaller = Room {
            prompts: self.places(prompts),
            rows: self.places(rows),
            ..self.wanted
        };
        if rows == 0 || self.room != self.wanted || smaller.rows >= self.wanted.rows {
            return;
        }
        self.wanted = smaller;
        let renumber = |place: &mut usize, next: usize| std::mem::replace(place, next);
        let all = self.rows.iter_mut().enumerate();
        let rows: Vec<usize> = all.map(|(i, row)| renumber(&mut row.place, i)).collect();
        let all = self.prompts.iter_mut().enumerate();
        let prompts: Vec<usize> = all.map(|(i, own)| renumber(&mut own.place, i)).collect();
        self.fit(Some(&rows), Some(&prompts));
    }

    fn arrange(&mut self, rows: &[RowId]) -> Vec<Option<usize>> {
        self.fit(None, None);
        let Room {
            prompts,
            prompt_len,
            rows: places,
            columns,
        } = self.room;
        let now = self.clock;
        let reach = match now < columns {
            true => (now + 1).next_multiple_of(self.bucket).min(columns),
            false => columns,
        };
        let mut order = vec![None; places];
        let mut row_mask = vec![false; places * reach];
        let mut members = vec![vec![]; prompts];
        for (i, id) in rows.iter().enumerate() {
            let row = self.rows.get_mut(id.0);
            let start = *row.start.get_or_insert(now);
            let own = &mut row_mask[row.place * reach..][..reach];
            for (column, mask) in own.iter_mut().enumerate() {
                let age = (now % columns + columns - column) % columns;
                *mask = age > now - start;
            }
            order[row.place] = Some(i);
            members[self.prompts.get(row.prompt).place].push(row.place);
        }
        let mut prompt_mask = vec![false; prompts * prompt_len];
        for prompt in self.prompts.iter() {
            prompt_mask[prompt.place * prompt_len..][prompt.len..prompt_len].fill(true);
        }
        let most = members.iter().map(Vec::len).max().unwrap_or(0);
        let most = most.max(1).next_power_of_two();
        let mut by_prompt = vec![0; prompts * most];
        let mut by_row = vec![0; places];
        for (prompt, members) in members.iter().enumerate() {
            for (i, place) in members.iter().enumerate() {
                by_prompt[prompt * most + i] = *place as i64;
                by_row[*place] = (prompt * most + i) as i64;
            }
        }
        self.begun = Some(Begun {
            reach,
            row_mask: bools(row_mask, places, &self.device),
            prompt_mask: bools(prompt_mask, prompts, &self.device),
            by_prompt: int_tensor(by_prompt, &self.device),
            by_row: int_tensor(by_row, &self.device),
        });
        order
    }

    fn attend(&mut self, layer: usize, q: Tensor<4>, k: Tensor<4>, v: Tensor<4>) -> Tensor<4> {
        let begun = self.begun.as_ref().expect("a token was begun");
        let Room {
            prompts, columns, ..
        } = self.room;
        let ([n, h, _, d], kv) = (q.dims(), k.dims()[1]);
        let (group, dtype) = (h / kv, q.dtype());
        let most = begun.by_prompt.dims()[0] / prompts;
        let column = self.clock % columns;
        let layer = &mut self.layers[layer];
        for (all, new) in layer.rows.iter_mut().zip([k, v]) {
            let own = [0..n, 0..kv, column..column + 1, 0..d];
            all.inplace(|all| all.slice_assign(own, new));
        }
        let q = q
            .mul_scalar(1.0 / (d as f64).sqrt())
            .reshape([n, kv, group, d]);
        let read = [0, 1].map(|i| layer.rows[i].clone().narrow(2, 0, begun.reach));
        let own = Self::part(q.clone(), read, &begun.row_mask);
        // The queries of a prompt in one matrix.
        let together = q
            .select(0, begun.by_prompt.clone())
            .reshape([prompts, most, kv, group * d])
            .swap_dims(1, 2)
            .reshape([prompts, kv, most * group, d]);
        let shared = Self::part(together, layer.prompts.clone(), &begun.prompt_mask);
        let apart = |x: Tensor<4>| {
            let width = x.dims()[3];
            x.reshape([prompts, kv, most, group * width])
                .swap_dims(1, 2)
                .reshape([prompts * most, kv, group, width])
                .select(0, begun.by_row.clone())
        };
        let shared_max = apart(shared.max);
        let max = own.max.clone().max_pair(shared_max.clone());
        let (a, b) = ((own.max - max.clone()).exp(), (shared_max - max).exp());
        let sum = own.sum * a.clone() + apart(shared.sum) * b.clone();
        let weighted = own.weighted * a + apart(shared.weighted) * b;
        (weighted / sum).cast(dtype).reshape([n, h, 1, d])
    }

    fn advance(&mut self) {
        self.clock += 1;
        self.begun = None;
    }
}
