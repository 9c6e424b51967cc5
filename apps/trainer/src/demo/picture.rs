//! Painting a scene.
//!
//! All geometry is in whole sub-pixel units, so a picture is the same to the bit on every machine.

use super::scene::{Colour, Item, Scene, Shape};
use super::{Draws, Purpose, Split};
use image::{Rgb, RgbImage};

/// Width and height of a picture in pixels.
pub const SIDE: u32 = 84;

/// Width and height of one of the four places in pixels.
const CELL: u32 = SIDE / 2;

/// Sub-pixel units in a pixel.
const UNITS: i32 = 8;

/// Sample points along each side of a pixel; a pixel's cover is counted in `SAMPLES²` steps.
const SAMPLES: i32 = 4;

/// How far an item's centre may lie from its place's, in units, each way: 4 pixels.
const JITTER: i32 = 4 * UNITS;

/// Half of an item's extent in units: it is 22 to 32 pixels across. With the jitter the largest
/// item reaches 20 of the 21 pixels to the border of its place.
const HALF: (i32, i32) = (11 * UNITS, 16 * UNITS);

/// Paints a scene; background, positions, sizes and shades are drawn from (seed, split, index).
pub fn paint(scene: &Scene, seed: u64, split: Split, index: u64) -> RgbImage {
    let mut draws = Draws::new(seed, split, index, Purpose::Picture);
    let mut picture = background(&mut draws);
    for item in scene.items() {
        paint_item(&mut picture, item, &mut draws);
    }
    picture
}

/// A light ground with a slight tint that gets slightly lighter in one direction.
fn background(draws: &mut Draws) -> RgbImage {
    let grey = draws.between(228, 244);
    let tint = [0; 3].map(|_| grey + draws.between(-4, 4));
    let (across, down) = (draws.between(-6, 6), draws.between(-6, 6));
    let side = SIDE as i32;
    RgbImage::from_fn(SIDE, SIDE, |x, y| {
        let slope = across * (2 * x as i32 - side) + down * (2 * y as i32 - side);
        Rgb(tint.map(|level| to_byte(level + slope / (2 * side))))
    })
}

fn paint_item(picture: &mut RgbImage, item: &Item, draws: &mut Draws) {
    let (row, column) = item.place.row_and_column();
    let (left, top) = (column * CELL, row * CELL);
    let middle = CELL as i32 * UNITS / 2;
    let centre_x = middle + draws.between(-JITTER, JITTER);
    let centre_y = middle + draws.between(-JITTER, JITTER);
    let half = draws.between(HALF.0, HALF.1);
    let paint = base_colour(item.colour).map(|level| level + draws.between(-8, 8));
    for y in 0..CELL {
        for x in 0..CELL {
            let from_centre_x = x as i32 * UNITS - centre_x;
            let from_centre_y = y as i32 * UNITS - centre_y;
            let cover = cover(item.shape, half, from_centre_x, from_centre_y);
            if cover > 0 {
                let pixel = picture.get_pixel_mut(left + x, top + y);
                blend(pixel, paint, cover);
            }
        }
    }
}

/// How many sample points of a pixel lie inside the shape; the pixel's top left corner is given in
/// units from the shape's centre.
fn cover(shape: Shape, half: i32, pixel_x: i32, pixel_y: i32) -> i32 {
    let step = UNITS / SAMPLES;
    let offsets = || (0..SAMPLES).map(|k| k * step + step / 2);
    offsets()
        .flat_map(|dy| offsets().map(move |dx| (pixel_x + dx, pixel_y + dy)))
        .filter(|&(x, y)| inside(shape, half, x, y))
        .count() as i32
}

/// Whether a point, in units from the centre, lies in a shape of the given half extent.
fn inside(shape: Shape, half: i32, x: i32, y: i32) -> bool {
    let in_bar = |along: i32, beside: i32| along.abs() <= half && 3 * beside.abs() <= half;
    match shape {
        Shape::Circle => x * x + y * y <= half * half,
        Shape::Square => x.abs() <= half && y.abs() <= half,
        // The apex is at -half, the base, as wide as the triangle is high, at +half.
        Shape::Triangle => y.abs() <= half && 2 * x.abs() <= y + half,
        Shape::Cross => in_bar(x, y) || in_bar(y, x),
    }
}

/// The paint of a colour before it is varied a little.
fn base_colour(colour: Colour) -> [i32; 3] {
    match colour {
        Colour::Red => [212, 42, 42],
        Colour::Green => [46, 150, 62],
        Colour::Blue => [36, 92, 206],
        Colour::Yellow => [238, 194, 24],
        Colour::Purple => [142, 58, 186],
    }
}

/// Mixes paint into a pixel in the proportion of its covered sample points.
fn blend(pixel: &mut Rgb<u8>, paint: [i32; 3], cover: i32) {
    let all = SAMPLES * SAMPLES;
    for (ground, level) in pixel.0.iter_mut().zip(paint) {
        let mixed = level * cover + i32::from(*ground) * (all - cover);
        *ground = to_byte((mixed + all / 2) / all);
    }
}

fn to_byte(level: i32) -> u8 {
    level.clamp(0, 255) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The named colour nearest to a pixel, or `None` for the ground.
    fn colour_of(pixel: &Rgb<u8>) -> Option<Colour> {
        let distance = |level: [i32; 3]| -> i32 {
            (0..3)
                .map(|c| (level[c] - i32::from(pixel.0[c])).pow(2))
                .sum()
        };
        let ground = distance([236; 3]);
        Colour::ALL
            .into_iter()
            .min_by_key(|&colour| distance(base_colour(colour)))
            .filter(|&colour| distance(base_colour(colour)) < ground)
    }

    /// Pixels of each colour in the cell at (row, column).
    fn census(picture: &RgbImage, row: u32, column: u32) -> [usize; 5] {
        let mut counts = [0; 5];
        for y in 0..CELL {
            for x in 0..CELL {
                if let Some(colour) =
                    colour_of(picture.get_pixel(column * CELL + x, row * CELL + y))
                {
                    counts[colour as usize] += 1;
                }
            }
        }
        counts
    }

    #[test]
    fn every_place_shows_its_items_colour_or_nothing() {
        for index in 0..300 {
            let scene = Scene::draw(5, Split::Train, index);
            let picture = paint(&scene, 5, Split::Train, index);
            for place in super::super::scene::Place::ALL {
                let (row, column) = place.row_and_column();
                let counts = census(&picture, row, column);
                match scene.items().iter().find(|item| item.place == place) {
                    // The smallest item, a triangle or cross 22 pixels across, covers 242 pixels.
                    Some(item) => {
                        let own = counts[item.colour as usize];
                        let others: usize = counts.iter().sum::<usize>() - own;
                        assert!(
                            own > 200 && others < own / 4,
                            "{scene:?} {place:?} {counts:?}"
                        );
                    }
                    None => assert_eq!(counts, [0; 5], "{scene:?} {place:?}"),
                }
            }
        }
    }

    #[test]
    fn a_shape_covers_its_area() {
        let half = HALF.1;
        let area = |shape| {
            let mut covered = 0;
            for y in -20..20 {
                for x in -20..20 {
                    covered += cover(shape, half, x * UNITS, y * UNITS);
                }
            }
            f64::from(covered) / f64::from(SAMPLES * SAMPLES)
        };
        let across = f64::from(2 * half / UNITS);
        let expected = [
            (Shape::Circle, std::f64::consts::FRAC_PI_4),
            (Shape::Square, 1.0),
            (Shape::Triangle, 0.5),
            (Shape::Cross, 5.0 / 9.0),
        ];
        for (shape, share) in expected {
            let found = area(shape) / (across * across);
            assert!((found - share).abs() < 0.02, "{shape:?}: {found}");
        }
    }

    #[test]
    fn two_pictures_of_one_scene_differ_and_the_same_sample_does_not() {
        let scene = Scene::draw(0, Split::Train, 0);
        let first = paint(&scene, 0, Split::Train, 0);
        assert_eq!(first, paint(&scene, 0, Split::Train, 0));
        assert_ne!(first, paint(&scene, 0, Split::Train, 1));
        assert_ne!(first, paint(&scene, 0, Split::Sft, 0));
    }
}
