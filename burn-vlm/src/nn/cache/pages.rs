//! A host's cache: pages of sixteen positions that are there while they are used.

use super::{
    CacheSizes, KvCache, PromptId, RowId, Slab,
    kernel::{PAGE, Page, PageLayout, Queries},
};
use crate::host::HostTensor;
use burn::tensor::{Tensor, TensorData};
use rayon::prelude::*;
use std::ops::Range;

/// Keys and values in pages, in f32.
#[derive(Debug)]
pub struct PagedCache {
    layout: PageLayout,
    layers: usize,
    prompts: Slab<Prompt>,
    rows: Slab<Row>,
    /// The rows of the token that was begun, by prompt: what reads the same keys is neighbours.
    begun: Vec<Group>,
    /// The same in the order of the batch.
    batch: Vec<usize>,
}

#[derive(Debug)]
struct Prompt {
    len: usize,
    /// Pages of each layer.
    layers: Vec<Vec<Page>>,
}

#[derive(Debug)]
struct Row {
    prompt: usize,
    len: usize,
    /// Positions that it may take.
    room: usize,
    layers: Vec<Vec<Page>>,
}

/// Rows of one prompt, by their places in the batch.
#[derive(Debug)]
struct Group {
    prompt: usize,
    places: Vec<usize>,
}

impl PagedCache {
    /// An empty cache.
    pub fn new(sizes: CacheSizes) -> Self {
        Self {
            layout: PageLayout {
                heads: sizes.kv_heads,
                dim: sizes.head_dim,
            },
            layers: sizes.layers,
            prompts: Slab::new(),
            rows: Slab::new(),
            begun: vec![],
            batch: vec![],
        }
    }

    /// Writes the keys and values of the rows of a batch, `[B, K, dim]`.
    fn write_rows(&mut self, layer: usize, k: &[f32], v: &[f32]) {
        let PageLayout { heads, dim } = self.layout;
        for (place, row) in self.batch.iter().enumerate() {
            let row = self.rows.get_mut(*row);
            let (pages, at) = (&mut row.layers[layer], row.len % PAGE);
            if at == 0 {
                pages.push(self.layout.page());
            }
            let page = pages.last_mut().expect("a page was pushed");
            for head in 0..heads {
                let own = (place * heads + head) * dim..(place * heads + head + 1) * dim;
                self.layout
                    .write(page, head, at, &k[own.clone()], &v[own.clone()]);
            }
        }
    }

    /// The attention of some rows of one prompt, for the query heads of one key-value head:
    /// `[rows, H / K, dim]`.
    fn attend_group(
        &self,
        layer: usize,
        head: usize,
        (prompt, places): (usize, &[usize]),
        q: &[f32],
    ) -> Vec<f32> {
        let PageLayout { heads, dim } = self.layout;
        let of_row = q.len() / self.batch.len();
        let group = of_row / heads / dim;
        let queries = places.iter().map(|place| {
            let first = place * of_row + head * group * dim;
            &q[first..first + group * dim]
        });
        let mut queries = Queries::new(self.layout, head, queries);
        let prompt = self.prompts.get(prompt);
        let pages = &prompt.layers[layer];
        queries.see(0, places.len() * group, pages, prompt.len);
        for (i, place) in places.iter().enumerate() {
            let row = self.rows.get(self.batch[*place]);
            queries.see(i * group, group, &row.layers[layer], row.len + 1);
        }
        queries.finish()
    }
}

/// Positions in whole pages.
fn paged(len: usize) -> usize {
    len.next_multiple_of(PAGE)
}

impl KvCache for PagedCache {
    fn positions(&self) -> usize {
        let prompts = self.prompts.iter().map(|prompt| paged(prompt.len));
        let rows = self.rows.iter().map(|row| paged(row.room));
        prompts.sum::<usize>() + rows.sum::<usize>()
    }

    fn positions_with(&self, prompt: Option<usize>, new_tokens: usize) -> usize {
        self.positions() + prompt.map_or(0, paged) + paged(new_tokens)
    }

    fn positions_alone(&self, prompt: usize, new_tokens: usize) -> usize {
        paged(prompt) + paged(new_tokens)
    }

    fn add_prompt(&mut self, len: usize) -> PromptId {
        let layers = (0..self.layers).map(|_| vec![]).collect();
        PromptId(self.prompts.add(Prompt { len, layers }))
    }

    fn write_prompts(
        &mut self,
        layer: usize,
        prompts: &[(PromptId, Range<usize>)],
        k: Tensor<4>,
        v: Tensor<4>,
    ) {
        let PageLayout { heads, dim } = self.layout;
        let n = k.dims()[2];
        let (k, v) = (HostTensor::take(k), HostTensor::take(v));
        for (id, range) in prompts {
            let pages = range.clone().step_by(PAGE).map(|first| {
                let mut page = self.layout.page();
                for (at, token) in (first..range.end.min(first + PAGE)).enumerate() {
                    for head in 0..heads {
                        let own = (head * n + token) * dim..(head * n + token + 1) * dim;
                        let (key, value) = (&k.values()[own.clone()], &v.values()[own]);
                        self.layout.write(&mut page, head, at, key, value);
                    }
                }
                page
            });
            self.prompts.get_mut(id.0).layers[layer] = pages.collect();
        }
    }

    fn remove_prompt(&mut self, prompt: PromptId) {
        self.prompts.remove(prompt.0);
    }

    fn add_row(&mut self, prompt: PromptId, new_tokens: usize) -> RowId {
        RowId(self.rows.add(Row {
            prompt: prompt.0,
            len: 0,
            room: new_tokens,
            layers: (0..self.layers).map(|_| vec![]).collect(),
        }))
    }

    fn remove_row(&mut self, row: RowId) {
        self.rows.remove(row.0);
    }

    fn shrink(&mut self) {}

    fn arrange(&mut self, rows: &[RowId]) -> Vec<Option<usize>> {
        self.batch = rows.iter().map(|row| row.0).collect();
        let mut groups: Vec<Group> = vec![];
        for (place, row) in self.batch.iter().enumerate() {
            let prompt = self.rows.get(*row).prompt;
            match groups.iter_mut().find(|group| group.prompt == prompt) {
                Some(group) => group.places.push(place),
                None => groups.push(Group {
                    prompt,
                    places: vec![place],
                }),
            }
        }
        self.begun = groups;
        (0..rows.len()).map(Some).collect()
    }

    fn attend(&mut self, layer: usize, q: Tensor<4>, k: Tensor<4>, v: Tensor<4>) -> Tensor<4> {
        let ([b, h, _, dim], heads) = (q.dims(), self.layout.heads);
        let device = q.device();
        let (q, k, v) = (
            HostTensor::take(q),
            HostTensor::take(k),
            HostTensor::take(v),
        );
        self.write_rows(layer, k.values(), v.values());
        // Twice as many pieces as threads, if there are so many rows.
        let pieces = (2 * rayon::current_num_threads()).div_ceil(heads);
        let rows = b.div_ceil(pieces).max(1);
        let of_groups = self.begun.iter().flat_map(|group| {
            let parts = group.places.chunks(rows);
            parts.map(|places| (group.prompt, places))
        });
        let items: Vec<(usize, (usize, &[usize]))> = of_groups
            .flat_map(|part| (0..heads).map(move |head| (head, part)))
            .collect();
        let found: Vec<Vec<f32>> = items
            .par_iter()
            .map(|(head, part)| self.attend_group(layer, *head, *part, q.values()))
            .collect();
        let group = h / heads * dim;
        let mut output = vec![0.0; b * h * dim];
        for ((head, (_, places)), found) in items.iter().zip(&found) {
            for (place, own) in places.iter().zip(found.chunks_exact(group)) {
                output[(place * heads + head) * group..][..group].copy_from_slice(own);
            }
        }
        Tensor::from_data(TensorData::new(output, [b, h, 1, dim]), &device)
    }

    fn advance(&mut self) {
        for row in &self.batch {
            self.rows.get_mut(*row).len += 1;
        }
    }
}
