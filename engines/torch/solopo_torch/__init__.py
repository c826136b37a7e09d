"""The engine of Solopo that computes with PyTorch: any causal language model of transformers."""
