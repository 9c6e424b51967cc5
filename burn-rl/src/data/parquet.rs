//! Rows of a parquet file, as Hugging Face's `datasets` writes them, with pictures inside.
//!
//! Opening reads everything but the pictures; a picture is read when its row comes, by a reference
//! that looks like a path: `train.parquet#2.17.5.0` is picture 0 in leaf column 5 of row 17 of row
//! group 2. So a set of many gigabytes costs neither memory nor a second copy on disk.

use parquet::{
    basic::{ConvertedType, LogicalType, Type as Physical},
    column::reader::{ColumnReader, ColumnReaderImpl},
    data_type::{ByteArray, ByteArrayType},
    errors::ParquetError,
    file::reader::{FileReader, SerializedFileReader},
    record::Field,
    schema::types::{ColumnDescriptor, Type},
};
use serde_json::{Map, Value};
use std::{
    fs::File,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Levels that are read at a time.
const BATCH: usize = 1024;

/// One row: its plain columns, and the pictures by top-level column.
pub(super) struct ParquetRow {
    pub fields: Map<String, Value>,
    pub pictures: Vec<(String, Vec<PathBuf>)>,
}

/// Reads all rows of a file, leaving the pictures where they are.
pub(super) fn read_rows(path: &Path) -> Result<Vec<ParquetRow>, String> {
    guarded(|| rows_of(path))
}

/// The reader takes some of what a file says for granted, and panics where it is damaged.
fn guarded<T>(read: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    let found = std::panic::catch_unwind(std::panic::AssertUnwindSafe(read));
    found.unwrap_or_else(|_| Err("not readable as parquet: the file is damaged".into()))
}

fn rows_of(path: &Path) -> Result<Vec<ParquetRow>, String> {
    let file = open(path)?;
    let says = |e: ParquetError| format!("not readable as parquet: {e}");
    let schema = file.metadata().file_metadata().schema_descr_ptr();
    let leaves: Vec<usize> = (0..schema.num_columns())
        .filter(|i| is_binary(&schema.column(*i)))
        .collect();
    let binary = |name: &str| leaves.iter().any(|i| top(&schema.column(*i)) == name);
    let mut plain: Vec<Arc<Type>> = vec![];
    for field in schema.root_schema().get_fields() {
        match binary(field.name()) {
            false => plain.push(field.clone()),
            true => plain.extend(without_binary(field).map_err(says)?),
        }
    }
    let projection = Type::group_type_builder(schema.root_schema().name())
        .with_fields(plain)
        .build()
        .map_err(says)?;
    let mut rows = vec![];
    for row in file.get_row_iter(Some(projection)).map_err(says)? {
        let columns = row.map_err(says)?.into_columns();
        rows.push(ParquetRow {
            fields: columns.into_iter().map(|(k, v)| (k, json(v))).collect(),
            pictures: vec![],
        });
    }
    if rows.is_empty() {
        // A file of pictures alone has no plain column to count rows by.
        let count = file.metadata().file_metadata().num_rows();
        let bytes = std::fs::metadata(path).map_err(|e| e.to_string())?.len();
        if !u64::try_from(count).is_ok_and(|count| count <= bytes) {
            return Err(format!(
                "not readable as parquet: {count} pictures in {bytes} bytes"
            ));
        }
        rows.extend((0..count).map(|_| ParquetRow {
            fields: Map::new(),
            pictures: vec![],
        }));
    }
    for leaf in leaves {
        let column = schema.column(leaf);
        let mut at = 0;
        for group in 0..file.num_row_groups() {
            let counts = counts(&file, group, leaf).map_err(says)?;
            for (row, count) in counts.into_iter().enumerate() {
                let reference = |k| reference(path, [group, row, leaf, k]);
                let slot = rows.get_mut(at).ok_or("columns of different lengths")?;
                let pictures = (0..count).map(reference).collect();
                let name = top(&column);
                if count > 0 || slot.fields.get(name).is_some_and(Value::is_null) {
                    // The path beside a picture's bytes is where it once was.
                    slot.fields.remove(name);
                }
                slot.pictures.push((name.to_owned(), pictures));
                at += 1;
            }
        }
    }
    Ok(rows)
}

/// The file and place that a reference names; none for an ordinary path.
fn parse_reference(path: &Path) -> Option<(&str, [usize; 4])> {
    let (file, place) = path.to_str()?.rsplit_once('#')?;
    let mut numbers = place.split('.').map(|n| n.parse().ok());
    let place = [
        numbers.next()??,
        numbers.next()??,
        numbers.next()??,
        numbers.next()??,
    ];
    (file.ends_with(".parquet") && numbers.next().is_none()).then_some((file, place))
}

fn reference(path: &Path, [group, row, leaf, k]: [usize; 4]) -> PathBuf {
    PathBuf::from(format!("{}#{group}.{row}.{leaf}.{k}", path.display()))
}

/// The bytes of the picture that a reference names; none for an ordinary path.
pub(super) fn read_picture(path: &Path) -> Option<Result<Vec<u8>, String>> {
    let (file, [group, row, leaf, k]) = parse_reference(path)?;
    let read = || {
        let file = open(Path::new(file))?;
        let says = |e: ParquetError| format!("not readable as parquet: {e}");
        let mut reader = leaf_reader(&file, group, leaf).map_err(says)?;
        reader.skip_records(row).map_err(says)?;
        let (mut def, mut rep, mut values) = (vec![], vec![], vec![]);
        reader
            .read_records(1, Some(&mut def), Some(&mut rep), &mut values)
            .map_err(says)?;
        let value = values.get(k).ok_or("there is no such picture")?;
        Ok(value.data().to_vec())
    };
    Some(guarded(read))
}

fn open(path: &Path) -> Result<SerializedFileReader<File>, String> {
    let file = File::open(path).map_err(|e| e.to_string())?;
    let bytes = file.metadata().map_err(|e| e.to_string())?.len();
    let file = SerializedFileReader::new(file);
    let file = file.map_err(|e| format!("not readable as parquet: {e}"))?;
    check_places(&file, bytes)?;
    Ok(file)
}

/// Refuses a footer that names places outside of the file.
fn check_places(file: &SerializedFileReader<File>, bytes: u64) -> Result<(), String> {
    let metadata = file.metadata();
    for column in metadata
        .row_groups()
        .iter()
        .flat_map(|group| group.columns())
    {
        let start = column.dictionary_page_offset().unwrap_or(0);
        let places = [start, column.data_page_offset(), column.compressed_size()];
        let places = places.map(u64::try_from);
        let inside = places
            .iter()
            .all(|place| place.as_ref().is_ok_and(|x| *x <= bytes));
        if !inside {
            let name = column.column_path();
            return Err(format!(
                "not readable as parquet: column {name} is not in the file"
            ));
        }
    }
    Ok(())
}

/// How many values each row of a row group has in a leaf column.
fn counts(
    file: &SerializedFileReader<File>,
    group: usize,
    leaf: usize,
) -> Result<Vec<usize>, ParquetError> {
    let mut reader = leaf_reader(file, group, leaf)?;
    let schema = file.metadata().file_metadata().schema_descr();
    let full = schema.column(leaf).max_def_level();
    let mut counts = vec![];
    loop {
        let (mut def, mut rep, mut values): (Vec<i16>, Vec<i16>, Vec<ByteArray>) =
            (vec![], vec![], vec![]);
        let (records, _, levels) =
            reader.read_records(BATCH, Some(&mut def), Some(&mut rep), &mut values)?;
        if records == 0 {
            return Ok(counts);
        }
        for i in 0..levels {
            if rep.get(i).is_none_or(|r| *r == 0) {
                counts.push(0);
            }
            if let (Some(last), true) = (counts.last_mut(), def.get(i).is_none_or(|d| *d == full)) {
                *last += 1;
            }
        }
    }
}

fn leaf_reader(
    file: &SerializedFileReader<File>,
    group: usize,
    leaf: usize,
) -> Result<ColumnReaderImpl<ByteArrayType>, ParquetError> {
    match file.get_row_group(group)?.get_column_reader(leaf)? {
        ColumnReader::ByteArrayColumnReader(reader) => Ok(reader),
        _ => Err(ParquetError::General(format!("leaf {leaf} holds no bytes"))),
    }
}

/// Name of the top-level column that a leaf belongs to.
fn top(column: &ColumnDescriptor) -> &str {
    column.path().parts().first().map_or("", String::as_str)
}

/// What is left of a type without its bytes, if anything is: the `path` beside them.
fn without_binary(field: &Arc<Type>) -> Result<Option<Arc<Type>>, ParquetError> {
    let info = field.get_basic_info();
    if field.is_primitive() {
        let text = is_text(info.converted_type(), info.logical_type_ref());
        let bytes = field.get_physical_type() == Physical::BYTE_ARRAY && !text;
        return Ok((!bytes).then(|| field.clone()));
    }
    let mut kept = vec![];
    for inner in field.get_fields() {
        kept.extend(without_binary(inner)?);
    }
    if kept.is_empty() {
        return Ok(None);
    }
    let mut group = Type::group_type_builder(field.name())
        .with_converted_type(info.converted_type())
        .with_logical_type(info.logical_type_ref().cloned())
        .with_fields(kept);
    if info.has_repetition() {
        group = group.with_repetition(info.repetition());
    }
    Ok(Some(Arc::new(group.build()?)))
}

fn is_text(converted: ConvertedType, logical: Option<&LogicalType>) -> bool {
    matches!(
        converted,
        ConvertedType::UTF8 | ConvertedType::JSON | ConvertedType::ENUM | ConvertedType::DECIMAL
    ) || matches!(
        logical,
        Some(LogicalType::String | LogicalType::Json | LogicalType::Enum)
    )
}

fn is_binary(column: &ColumnDescriptor) -> bool {
    let text = is_text(column.converted_type(), column.logical_type_ref());
    column.physical_type() == Physical::BYTE_ARRAY && !text
}

fn json(field: Field) -> Value {
    match field {
        Field::Group(row) => {
            let columns = row.into_columns();
            Value::Object(columns.into_iter().map(|(k, v)| (k, json(v))).collect())
        }
        Field::ListInternal(list) => {
            Value::Array(list.elements().iter().cloned().map(json).collect())
        }
        Field::Null => Value::Null,
        Field::Bool(x) => x.into(),
        Field::Byte(x) => x.into(),
        Field::Short(x) => x.into(),
        Field::Int(x) => x.into(),
        Field::Long(x) => x.into(),
        Field::UByte(x) => x.into(),
        Field::UShort(x) => x.into(),
        Field::UInt(x) => x.into(),
        Field::ULong(x) => x.into(),
        Field::Float16(x) => x.to_f32().into(),
        Field::Float(x) => x.into(),
        Field::Double(x) => x.into(),
        Field::Str(text) => text.into(),
        // Dates, decimals, maps and the like: as text, which no field of a row is read from but by
        // a name that asks for it.
        other => other.to_string().into(),
    }
}
