"""The transformers engine: Hugging Face models that sample and score with shared prompts."""
