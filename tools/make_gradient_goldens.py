#!/usr/bin/env python3
"""What PyTorch's autograd gives for the tiny models of src/model/testdata.

    python tools/make_gradient_goldens.py [--out src/model/testdata] [NAME ...]

For each float32 model: NAME.gradients.safetensors with `tokens.i` [n] as float32 (two documents),
`loss` [1] (mean cross-entropy of every next token of both), `grad.PARAMETER` for each weight by its
Hugging Face name, and `curve` [10], the loss before each of ten AdamW steps (lr 1e-3, betas 0.9 and
0.98, eps 1e-8, weight decay 0.05 on everything).
"""

import argparse
from pathlib import Path

import torch
import transformers
from safetensors.torch import save_file

MODELS = ["llama", "llama3_tied", "smollm", "qwen2", "qwen3", "deepseek_v3", "deepseek_v3_plain_q",
          "deepseek_v2"]


def loss_of(model, documents):
    total, count = 0, 0
    for ids in documents:
        logits = model(torch.tensor([ids])).logits[0]
        total = total + torch.nn.functional.cross_entropy(logits[:-1].float(), torch.tensor(ids[1:]), reduction="sum")
        count += len(ids) - 1
    return total / count


def by_file_name(name, grad):
    """transformers 5 stacks experts in memory and splits them in files."""
    if name.endswith("mlp.experts.gate_up_proj"):
        base = name.removesuffix("gate_up_proj")
        for e, one in enumerate(grad):
            gate, up = one.chunk(2, dim=0)
            yield f"{base}{e}.gate_proj.weight", gate
            yield f"{base}{e}.up_proj.weight", up
    elif name.endswith("mlp.experts.down_proj"):
        base = name.removesuffix("down_proj")
        for e, one in enumerate(grad):
            yield f"{base}{e}.down_proj.weight", one
    else:
        yield name, grad


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("src/model/testdata"))
    parser.add_argument("names", nargs="*", default=MODELS)
    args = parser.parse_args()
    for name in args.names:
        model = transformers.AutoModelForCausalLM.from_pretrained(
            args.out / name, dtype=torch.float32, attn_implementation="eager")
        model.train(False)
        generator = torch.Generator().manual_seed(7)
        documents = [torch.randint(2, 48, (n,), generator=generator).tolist() for n in (11, 7)]
        out = {f"tokens.{i}": torch.tensor(ids, dtype=torch.float32) for i, ids in enumerate(documents)}
        loss = loss_of(model, documents)
        loss.backward()
        out["loss"] = loss.detach().reshape(1)
        for parameter, value in model.named_parameters():
            if value.grad is None:
                continue
            for file_name, grad in by_file_name(parameter, value.grad):
                out["grad." + file_name] = grad.clone().contiguous()
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.98), eps=1e-8, weight_decay=0.05)
        curve = []
        for _ in range(10):
            optimizer.zero_grad()
            loss = loss_of(model, documents)
            curve.append(loss.item())
            loss.backward()
            optimizer.step()
        out["curve"] = torch.tensor(curve)
        made = f"tools/make_gradient_goldens.py, torch {torch.__version__}, transformers {transformers.__version__}"
        save_file(out, args.out / f"{name}.gradients.safetensors", metadata={"made_by": made})
        print(name, len(out), "tensors, loss", curve[0], "->", curve[-1])


if __name__ == "__main__":
    main()
