"""Writes events.golden: one event of each kind as TensorBoard's own Python encodes and frames it.

    pip install tensorboard==2.21.0 protobuf==7.36.2 numpy==2.4.6
    python make_golden.py

The test `bytes_equal_tensorboards_own` in run-log/src/tensorboard/proto.rs writes the same
events and compares bytes.
"""

import io
import pathlib

import tensorboard
from tensorboard.compat.proto import event_pb2, summary_pb2, tensor_pb2, tensor_shape_pb2
from tensorboard.summary.writer.record_writer import RecordWriter

Value = summary_pb2.Summary.Value


def summary(time, step, **value):
    return event_pb2.Event(
        wall_time=time, step=step, summary=summary_pb2.Summary(value=[Value(**value)])
    )


text = tensor_pb2.TensorProto(
    dtype=7,  # DT_STRING
    tensor_shape=tensor_shape_pb2.TensorShapeProto(
        dim=[tensor_shape_pb2.TensorShapeProto.Dim(size=1)]
    ),
    string_val=["wie viele? → <answer>2</answer>".encode()],
)
plugin = summary_pb2.SummaryMetadata(
    plugin_data=summary_pb2.SummaryMetadata.PluginData(plugin_name="text")
)
picture = summary_pb2.Summary.Image(
    height=200,
    width=5,
    colorspace=3,
    encoded_image_string=b"\x89PNG\r\n\x1a\nnot a whole picture",
)
# Values -1, 0, 0.5, 1, 3 in four equal buckets.
histogram = summary_pb2.HistogramProto(
    min=-1,
    max=3,
    num=5,
    sum=3.5,
    sum_squares=11.25,
    bucket_limit=[0, 1, 2, 3],
    bucket=[1, 2, 1, 1],
)

events = [
    event_pb2.Event(wall_time=1.5, file_version="brain.Event:2"),
    event_pb2.Event(
        wall_time=2.5,
        step=300,
        session_log=event_pb2.SessionLog(status=event_pb2.SessionLog.START),
    ),
    summary(3.25, 301, tag="reward/mean", simple_value=0.375),
    summary(3.25, 301, tag="policy/kl_ref", simple_value=0.0),
    summary(4.0, 302, tag="samples", tensor=text, metadata=plugin),
    summary(5.0, 303, tag="picture", image=picture),
    summary(6.0, 304, tag="advantages", histo=histogram),
]

# The record writer closes its file, so the bytes are taken before.
buffer = io.BytesIO()
writer = RecordWriter(buffer)
for event in events:
    writer.write(event.SerializeToString(deterministic=True))
target = pathlib.Path(__file__).with_name("events.golden")
target.write_bytes(buffer.getvalue())
print(f"tensorboard {tensorboard.__version__}: {len(events)} events, {target.stat().st_size} bytes")
