#!/usr/bin/env python3
"""Small tokenizers in the files of transformers' slow classes, and what becomes of texts in them.

    make_tokenizers.py --out tests/golden/tokenizers

* qwen2/: vocab.json and merges.txt, ids by Qwen2Tokenizer of transformers;
* internlm2/: tokenizer.model, ids by SentencePiece itself, between the special tokens;
* texts.json: the texts and the ids of both.

pip install transformers==5.23.0 tokenizers==0.23.3 sentencepiece==0.2.3
"""

import argparse
import io
import json
import random
import re
from pathlib import Path

import sentencepiece
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import Qwen2Tokenizer

ROOT = Path(__file__).resolve().parents[3]
WORDS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
SPECIAL = ["<|im_start|>", "<|im_end|>", "<img>", "</img>", "<IMG_CONTEXT>"]
ODD = ["naïve Ωμέγα e\u0301", "你好，世界！", "🎉👨‍👩‍👧", "x  y   z\n\n\tw ", "I'LL we're 3.14159", "\u3000\u00a0\u200b", "हिन्दी ก็ عربى", "ﬁ ½ 𝔘", "   ", "a<s>b</s>"]


def corpus():
    files = ["LICENSE-APACHE", "LICENSE-MIT"]
    return [line for name in files for line in (ROOT / name).read_text().splitlines() if line.strip()]


def texts(lines):
    draw = random.Random(0)
    made = ["", "Hello world!", *ODD]
    while len(made) < 120:
        parts = []
        for _ in range(draw.randrange(1, 5)):
            line = draw.choice(lines)
            start = draw.randrange(len(line))
            parts.append(draw.choice([line[start : start + draw.randrange(1, 40)], draw.choice(ODD), draw.choice(SPECIAL), "  ", "\n"]))
        made.append("".join(parts))
    return made


def declared(ids):
    return {str(i): {"content": token, "lstrip": False, "normalized": False, "rstrip": False, "single_word": False, "special": True} for token, i in ids.items()}


def qwen2(folder, lines):
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(WORDS), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(lines, trainers.BpeTrainer(vocab_size=600, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    model = json.loads(tokenizer.to_str())["model"]
    (folder / "vocab.json").write_text(json.dumps(model["vocab"], ensure_ascii=False))
    (folder / "merges.txt").write_text("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in model["merges"]))
    ids = {token: 600 + i for i, token in enumerate(SPECIAL)}
    config = {"tokenizer_class": "Qwen2Tokenizer", "added_tokens_decoder": declared(ids), "eos_token": "<|im_end|>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=1))
    return Qwen2Tokenizer.from_pretrained(folder)


def internlm2(folder, lines):
    folder.mkdir(parents=True, exist_ok=True)
    # The last pieces stand in for chat tokens, as in InternLM2's file.
    names = [f"[UNUSED_TOKEN_{i}]" for i in range(2)]
    # Not by a path, which the file would hold.
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines), model_writer=model, model_type="bpe", vocab_size=700, byte_fallback=True, num_threads=1,
        normalization_rule_name="identity", add_dummy_prefix=False, remove_extra_whitespaces=False, character_coverage=0.999, user_defined_symbols=names)
    (folder / "tokenizer.model").write_bytes(model.getvalue())
    pieces = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    ids = dict(zip(SPECIAL, [*(pieces.piece_to_id(name) for name in names), 700, 701, 702]))
    base = {"<unk>": 0, "<s>": 1, "</s>": 2}
    config = {"tokenizer_class": "InternLM2Tokenizer", "added_tokens_decoder": declared(base | ids), "bos_token": "<s>", "eos_token": "</s>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=1))
    known = base | ids
    cut = re.compile("(" + "|".join(map(re.escape, known)) + ")")
    return lambda text: [i for part in cut.split(text) for i in ([known[part]] if part in known else pieces.encode(part))]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    lines = corpus()
    qwen, intern = qwen2(args.out / "qwen2", lines), internlm2(args.out / "internlm2", lines)
    rows = [{"text": text, "qwen2": qwen.encode(text, add_special_tokens=False), "internlm2": intern(text)} for text in texts(lines)]
    (args.out / "texts.json").write_text("[\n" + ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\n]\n")


if __name__ == "__main__":
    main()
