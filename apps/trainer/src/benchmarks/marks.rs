//! Places of pictures in a question that numbers them: `<image 2>`, `<image_2>`, `<image2>`.

use std::path::PathBuf;

/// The question with `<image>` at each picture's place, and the pictures in the order of their
/// places. Pictures without one come first; a second mention of one is the words "image 2".
///
/// # Errors
/// A mark of a picture that is not there.
pub(super) fn placed(
    question: &str,
    pictures: Vec<PathBuf>,
) -> Result<(String, Vec<PathBuf>), String> {
    let (mut out, mut order) = (String::new(), vec![]);
    let mut rest = question;
    while let Some(at) = rest.find("<image") {
        let mark = &rest[at + "<image".len()..];
        out.push_str(&rest[..at]);
        let number = mark.split_once('>').and_then(|(number, after)| {
            let digits = number.strip_prefix([' ', '_']).unwrap_or(number);
            Some((digits.parse::<usize>().ok()?, after))
        });
        let Some((number, after)) = number else {
            out.push_str("<image");
            rest = mark;
            continue;
        };
        if number == 0 || number > pictures.len() {
            let there = pictures.len();
            return Err(format!(
                "the question marks image {number}, and the row has {there} pictures"
            ));
        }
        match order.contains(&number) {
            true => out.push_str(&format!("image {number}")),
            false => {
                order.push(number);
                out.push_str("<image>");
            }
        }
        rest = after;
    }
    out.push_str(rest);
    if order.is_empty() {
        return Ok((out, pictures));
    }
    let unmarked = (1..=pictures.len()).filter(|number| !order.contains(number));
    let first: Vec<usize> = unmarked.collect();
    out.insert_str(0, &"<image>".repeat(first.len()));
    let order = first.into_iter().chain(order);
    Ok((
        out,
        order.map(|number| pictures[number - 1].clone()).collect(),
    ))
}
