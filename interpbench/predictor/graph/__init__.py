"""One engine that reads networks: a predictor as a graph of torch's operations, by `torch.export`.

predictor ──► reading ──► normal_form ──► layers ──► fusing ──► forward passes alone (`forward_only`)
             (export)    (no writing in   (windows,  (fewer      ├─► frozen copies for training (unoise)
                          place)           norms)     layers)    └─► steps that work on parts (occlusion)
"""
