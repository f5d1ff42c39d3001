"""A real, tiny and untrained cross-encoder: what it orders is arbitrary, and the same every time."""

from pathlib import Path

from tests.support.small_releases import real_model


def save_cross_encoder(folder: Path, labels: int = 1) -> Path:
    """A BERT of two layers with seeded random weights and the tokenizer of the packaged model."""
    import torch
    from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification

    tokenizer = AutoTokenizer.from_pretrained(str(real_model().folder), local_files_only=True)
    torch.manual_seed(5)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        initializer_range=0.5,  # or every text would get nearly the same score
        num_labels=labels,  # type: ignore[call-arg]  # of its base class, which takes any field
    )
    BertForSequenceClassification(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
