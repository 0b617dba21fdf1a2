#!/usr/bin/env python3
"""Adapters made by PEFT for tiny models of src/model/testdata, and what they compute.

    python tools/make_lora_goldens.py [--out src/model/testdata]

For each: a folder lora_NAME as PEFT saves it, and lora_NAME.golden.safetensors with `tokens.0` [n]
as float32 and `logits.0` [n, vocab] of base and adapter together, in float32. Both A and B are
random, large enough to change every logit.
"""

import argparse
import json
from pathlib import Path

import peft
import torch
import transformers
from safetensors.torch import save_file

TARGETS = {
    "llama": ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"],
    # PEFT 0.21 over transformers 5 takes every name of an MLP here for the stacked routed experts.
    "deepseek_v3": ["q_a_proj", "q_b_proj", "kv_a_proj_with_mqa", "kv_b_proj", "o_proj"],
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("src/model/testdata"))
    args = parser.parse_args()
    for name, targets in TARGETS.items():
        torch.manual_seed(5)
        model = transformers.AutoModelForCausalLM.from_pretrained(
            args.out / name, dtype=torch.float32, attn_implementation="eager")
        model = peft.get_peft_model(model, peft.LoraConfig(
            r=2, lora_alpha=5, target_modules=targets, task_type="CAUSAL_LM"))
        with torch.no_grad():
            for parameter, value in model.named_parameters():
                if "lora_B" in parameter:
                    value.normal_(std=0.1)
        model.train(False)
        ids = torch.randint(2, 48, (12,), generator=torch.Generator().manual_seed(9))
        logits = model(ids[None]).logits[0].detach()
        folder = args.out / f"lora_{name}"
        model.save_pretrained(folder)
        (folder / "README.md").unlink(missing_ok=True)
        config = json.loads((folder / "adapter_config.json").read_text())
        config["base_model_name_or_path"] = f"../{name}"
        (folder / "adapter_config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
        made = (f"tools/make_lora_goldens.py, torch {torch.__version__}, transformers "
                f"{transformers.__version__}, peft {peft.__version__}")
        save_file({"tokens.0": ids.float(), "logits.0": logits.contiguous()},
                  args.out / f"lora_{name}.golden.safetensors", metadata={"made_by": made})
        print(name, sorted(p.name for p in folder.iterdir()))


if __name__ == "__main__":
    main()
