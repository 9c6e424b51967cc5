#!/usr/bin/env python3
"""What every algorithm makes of random batches, from its formula, in float64 and without autodiff.

    python gen/make_algos.py          # in tests/golden, after make_tiny.py; needs numpy, safetensors, transformers

The losses below are written as the papers have them (whole responses where a paper has whole responses), as
functions of the tokens' log-probabilities and entropies. Derivatives are complex steps: f(x + ih).imag / h is
exact to rounding for functions without a difference in them, and min, clip and stop-gradient go by the real part.

algos/oracle.safetensors
  batches (shared by all cases): groups (samples a group), batch_groups (groups a batch), lengths (tokens a sample),
    reward, accuracy (a sample), greedy (a group, its mean of two), average (a batch; NaN for none), truncated, mask,
    logp, old_logp, sample_logp, ref_logp, entropy, values, old_values, token_rewards (a token)
  <case>/loss (a batch; NaN where a random choice decides), <case>/advantages, <case>/d_logp (a token) and, where there are any, <case>/d_entropy,
    <case>/returns, <case>/d_values (a token), <case>/value_loss (a batch)
  metadata "cases": {case: {"algo": name, "set": {option: value}}}
algos/model.json : one batch of texts for the checkpoint qwen2_5_vl (prompt and response tokens, everything that
  advantages read) and, for each algorithm, its loss and the norm of the gradient of all parameters: torch's, of
  sum(d_logp * logp + d_entropy * H) with the derivatives of the formulas here at the log-probabilities torch computes
"""
import json, math, os
import numpy as np
from safetensors.numpy import save_file

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
BATCHES = 130
STEP = 1e-30


# ---- random batches ------------------------------------------------------------------------------------------------

def make_batches(rng):
    out = []
    for b in range(BATCHES):
        groups = []
        for _ in range(rng.integers(1, 4)):
            n = int(rng.integers(1, 5))
            flat = rng.random() < 0.25                                       # a group of equal rewards
            common = rng.choice([0.0, 1.0, 0.1])
            group = []
            for _ in range(n):
                t = int(rng.integers(1, 8))
                mask = rng.random(t) < 0.85
                if rng.random() < 0.06:
                    mask[:] = False                                          # all masked
                accuracy = common if flat else float(rng.integers(0, 2))
                reward = common if flat else accuracy + 0.5 * float(rng.integers(0, 2)) - 0.25 * (rng.random() < 0.2)
                old = -rng.gamma(1.2, 0.9, t) - 0.01
                width = [0.0, 0.05, 0.35, 0.9][b % 4]                        # on policy, near, far, very far
                new = np.minimum(old + width * rng.standard_normal(t), -1e-3)
                if width == 0.0:
                    new = old.copy()
                group.append(dict(
                    reward=float(reward), accuracy=accuracy, truncated=bool(rng.random() < 0.2), mask=mask,
                    logp=new, old_logp=old, sample_logp=np.minimum(old + 0.3 * rng.standard_normal(t), -1e-3),
                    ref_logp=np.minimum(old + 0.4 * rng.standard_normal(t), -1e-3), entropy=rng.gamma(1.5, 0.8, t),
                    old_values=rng.standard_normal(t), values=rng.standard_normal(t),
                    token_rewards=np.where(rng.random(t) < 0.3, rng.standard_normal(t), 0.0)))
            groups.append(dict(rollouts=group, greedy=float(rng.choice([0.0, 0.5, 1.0]))))
        average = float("nan") if rng.random() < 0.3 else float(rng.random())
        out.append(dict(groups=groups, average=average))
    for batch in out:                                                        # inputs are what f32 can hold
        for g in batch["groups"]:
            for s in g["rollouts"]:
                for k in ("logp", "old_logp", "sample_logp", "ref_logp", "entropy", "values", "old_values"):
                    s[k] = s[k].astype(np.float32).astype(np.float64)
    return out


# ---- little helpers that work on complex numbers --------------------------------------------------------------------

def sg(x):
    return np.real(x).astype(np.complex128) if isinstance(x, np.ndarray) else complex(x).real


def cmin(a, b):
    return np.where(np.real(a) <= np.real(b), a, b)


def cmax(a, b):
    return np.where(np.real(a) >= np.real(b), a, b)


def clip(x, low, high):
    return cmin(cmax(x, low + 0j), high + 0j)


def cabs(x):
    return np.where(np.real(x) > 0, x, np.where(np.real(x) < 0, -x, 0))


def samples(batch):
    return [s for g in batch["groups"] for s in g["rollouts"]]


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


# ---- advantages ------------------------------------------------------------------------------------------------------

def kl_of(kind, d):
    return {"k1": lambda: d, "k2": lambda: d * d / 2, "k3": lambda: np.exp(-d) - 1 + d, "abs": lambda: cabs(d)}[kind]()


def std(x, ddof):
    return float(np.std(x, ddof=ddof)) if len(x) > ddof else 0.0


def outcomes(batch, o):
    """The reward of each response after shaping, group by group."""
    out = []
    for g in batch["groups"]:
        row = []
        for s in g["rollouts"]:
            r = o["outcome_weight"] * s["reward"]
            if o["overlong_penalty"] > 0:                                    # DAPO, equation 13
                free, length = o["overlong_horizon"] - o["overlong_buffer"], len(s["mask"])
                if length > o["overlong_horizon"]:
                    r -= o["overlong_penalty"]
                elif length > free:
                    r += (free - length) / o["overlong_buffer"] * o["overlong_penalty"]
            r += o["length_reward"] * len(s["mask"])
            if o["reward_clip"] > 0:
                r = min(max(r, -o["reward_clip"]), o["reward_clip"])
            if o["beta"] > 0 and o["kl_in"] == "outcome":
                r -= o["beta"] * sum(kl_of(o["kl"], s["old_logp"] - s["ref_logp"])[s["mask"]])
            row.append(r)
        out.append(np.array(row, float))
    return out


def scores(batch, o):
    R = outcomes(batch, o)
    flat = np.concatenate(R)
    out = []
    for g, r in zip(batch["groups"], R):
        n = len(r)
        equal = bool(np.all(r == r[0]))
        lengths = np.array([s["mask"].sum() for s in g["rollouts"]], float)
        b = {
            "none": lambda: np.zeros(n), "critic": lambda: np.zeros(n),
            "group_mean": lambda: np.full(n, r[0] if equal else r.mean()),
            "leave_one_out": lambda: np.array([np.mean(np.delete(r, i)) if n > 1 else r[i] for i in range(n)]),
            "length_weighted": lambda: (np.full(n, (lengths * r).sum() / lengths.sum()) if lengths.sum() else r),
            "greedy": lambda: np.full(n, g["greedy"]),
            "moving_average": lambda: np.full(n, flat.mean() if math.isnan(batch["average"]) else batch["average"]),
        }[o["baseline"]]()
        if equal and o["baseline"] in ("leave_one_out", "length_weighted"):
            b = r
        d = {
            "group_std": lambda: (0.0 if equal else std(r, o["std_ddof"])) + o["std_epsilon"],
            "batch_std": lambda: std(flat, o["std_ddof"]) + o["std_epsilon"],
            "group_mean": lambda: r.mean() + o["std_epsilon"], "none": lambda: 1.0,
        }[o["scale"]]()
        diff = r - b
        s = np.where(diff == 0, 0.0, diff / d) if d != 0 else np.zeros(n)
        if o["adora_lambda"] != 1:                                           # ADORA's weight_func
            right = [l for l, x in zip(lengths, r) if x > o["adora_success_above"]]
            wrong = [l for l, x in zip(lengths, r) if x <= o["adora_success_above"] and l < o["adora_max_tokens"]]
            full = (not right) or (bool(wrong) and max(right) > np.mean(wrong))
            s = s * (1.0 if full else o["adora_lambda"])
        out.append(s)
    if o["clip_filter_cap"] > 0:                                             # CPGD: min(c, B / (B - Z))
        teach = [not np.all(r == r[0]) for r in R]
        w = min(o["clip_filter_cap"], len(R) / max(sum(teach), 1))
        out = [s * (w if t else 1.0) for s, t in zip(out, teach)]
    if o["score_clip"] > 0:
        out = [np.clip(s, -o["score_clip"], o["score_clip"]) for s in out]
    return np.concatenate(out)


def advantages(batch, o):
    """Advantages of every token, and the critic's returns."""
    adv, rets = [], []
    for s, score in zip(samples(batch), scores(batch, o)):
        m, T = s["mask"], len(s["mask"])
        r = np.array(s["token_rewards"]) if o["token_rewards"] else np.zeros(T)
        if o["beta"] > 0 and o["kl_in"] == "reward":
            r = r - o["beta"] * np.where(m, kl_of(o["kl"], s["old_logp"] - s["ref_logp"]), 0)
        acts = np.flatnonzero(m)                                             # masked tokens are no actions
        a, ret = np.zeros(T), np.zeros(T)
        if len(acts):
            r[acts[-1]] += score
        g, lam = o["gamma"], o["lambda"]
        for k in range(len(acts)):
            t = acts[k]
            if o["baseline"] == "critic":
                total = 0.0
                for j in range(k, len(acts)):
                    nxt = s["old_values"][acts[j + 1]] if j + 1 < len(acts) else 0.0
                    total += (g * lam) ** (j - k) * (r[acts[j]] + g * nxt - s["old_values"][acts[j]])
                a[t], ret[t] = total, total + s["old_values"][t]
            else:
                a[t] = sum(g ** (j - k) * r[acts[j]] for j in range(k, len(acts)))
        adv.append(a)
        rets.append(ret)
    if o["whiten"] != "none":
        every = np.concatenate([a[s["mask"]] for a, s in zip(adv, samples(batch))])
        if len(every):
            mean = every.mean()
            var = ((every - mean) ** 2).sum() / max(len(every) - o["whiten_ddof"], 1)
            d = math.sqrt(max(var, 1e-8)) if o["whiten"] == "full" else 1.0
            adv = [np.where(s["mask"], (a - mean) / d, 0) for a, s in zip(adv, samples(batch))]
    return adv, rets


# ---- losses ------------------------------------------------------------------------------------------------------------

def ratio_of(s, o, lp):
    """The ratio that a token's loss sees, at the case's level (GSPO-token's form where it is shared)."""
    old = s["sample_logp"] if o["ratio_anchor"] == "sampler" else s["old_logp"]
    lr = lp - old
    m = s["mask"]
    if o["ratio_level"] == "token" or not m.any():
        return np.exp(lr)
    shared = lr[m].mean() if o["ratio_level"] == "sequence" else lr[m].sum()
    return np.exp(shared.real) * np.exp(lp - sg(lp))


def ppo(rho, A, o):
    if o.get("ratio_cap"):
        rho = cmin(rho, o["ratio_cap"] + 0j)
    J = cmin(rho * A, clip(rho, 1 - o["clip_low"], 1 + o["clip_high"]) * A)
    if o.get("dual_clip"):
        J = np.where(A < 0, cmax(J, o["dual_clip"] * A + 0j), J)
    return -J


def token_losses(algo, s, A, o, marks):
    """The policy loss of each token (complex)."""
    lp, old = s["lp"], s["old_logp"]
    kind = o["loss"]
    if kind == "nll":
        return -A * lp
    rho = ratio_of(s, o, lp)
    if kind == "ppo":
        return ppo(rho, A, o)
    if kind == "importance":
        return -rho * A
    if kind == "cispo":                                                      # MiniMax-M1, equations 4 and 5
        return -sg(clip(rho, 1 - o["clip_low"], 1 + o["clip_high"])) * A * lp
    if kind == "sapo":
        tau = np.where(A > 0, o["tau_positive"], o["tau_negative"])
        return -sigmoid(tau * (rho - 1)) * 4 / tau * A
    if kind == "cpg":
        up = cmin(lp, old + math.log(1 + o["clip_high"]) + 0j)
        down = cmax(lp, old + math.log(1 - o["clip_low"]) + 0j)
        return -A * np.where(A > 0, up, down)
    if kind == "dppo":
        p, q = np.exp(lp.real), np.exp(old)
        if o["divergence"] == "binary_tv":
            D = np.abs(p - q)
        else:
            D = q * (old - lp.real) + (1 - q) * np.log((1 - q + 1e-8) / (1 - p + 1e-8))
        outside = np.where(A > 0, (D > o["clip_high"]) & (p > q), (D > o["clip_low"]) & (p < q))
        value = np.minimum(rho.real, o["ratio_cap"]) * np.exp(lp - sg(lp))   # beyond the cap: its weight, all the same
        return np.where(outside, 0, -value * A)
    if kind == "clip_cov":
        return np.where(marks, 0, ppo(rho, A, o))
    if kind == "kl_cov":
        return -rho * A + np.where(marks, o["cov_coef"] * cabs(lp - old), 0)
    raise KeyError(kind)


def sequence_loss(s, A, o):
    """GSPO, LUSPO and GMPO for a whole response."""
    m = s["mask"]
    a = A[m][0]                                                              # one advantage a response
    lr = (s["lp"] - s["old_logp"])[m]
    if o["loss"] == "gmpo":
        sign = np.sign(a)
        held = sign * cmin(sign * lr, sign * clip(lr, -o["clip_low"], o["clip_high"]))
        return -np.exp(held.mean()) * a
    ratio = np.exp(lr.mean())
    value = -cmin(ratio * a, clip(ratio, 1 - o["clip_low"], 1 + o["clip_high"]) * a)
    return value * m.sum() if o["loss"] == "luspo" else value


def selections(batch, adv, o):
    S = samples(batch)
    lp = np.concatenate([s["logp"][s["mask"]] for s in S])
    a = np.concatenate([x[s["mask"]] for x, s in zip(adv, S)])
    H = np.concatenate([s["entropy"][s["mask"]] for s in S])
    old = np.concatenate([s["old_logp"][s["mask"]] for s in S])
    n = len(lp)
    marks, focus = np.zeros(n, bool), np.ones(n, bool)
    if n and o["loss"] in ("clip_cov", "kl_cov"):
        cov = (a - a.mean()) * (lp - lp.mean())
        k = max(1, int(o["cov_share"] * n))
        if o["loss"] == "kl_cov":
            order = np.argsort(-cov, kind="stable")
            tied = k < n and abs(cov[order[k - 1]] - cov[order[k]]) < 1e-9
            if tied and not np.array_equal(lp, old):                         # on policy there is nothing to penalise
                return None                                                  # two tokens are equally good
            marks[order[:k]] = True
        else:
            rho = np.exp(lp - old)
            clipped = (a > 0) & (rho > 1 + o["clip_high"]) | (a < 0) & (rho < 1 - o["clip_low"])
            band = (cov > o["cov_low"]) & (cov < o["cov_high"]) & ~clipped
            if band.sum() > k:
                return None                                                  # the choice is random
            marks = band
    if n and o["entropy_top_share"] < 1:
        k = max(1, int(o["entropy_top_share"] * n))
        focus = H >= np.sort(H)[::-1][k - 1]
    out, at = [], 0
    for s in S:
        row_m, row_f = np.zeros(len(s["mask"]), bool), np.zeros(len(s["mask"]), bool)
        c = s["mask"].sum()
        row_m[s["mask"]], row_f[s["mask"]] = marks[at:at + c], focus[at:at + c]
        at += c
        out.append((row_m, row_f))
    return out


def weights_of(s, o):
    """Importance weights of the old policy over the sampler."""
    if o["correction"] == "none":
        return 1.0
    m, lw = s["mask"], s["old_logp"] - s["sample_logp"]
    if o["correction_level"] != "token" and m.any():
        lw = np.full(len(lw), lw[m].sum() if o["correction_level"] == "sequence" else lw[m].mean())
    w = np.exp(lw)
    if o["correction"] == "truncate":
        return np.clip(w, o["correction_low"], o["correction_high"])
    return np.where((w < o["correction_low"]) | (w > o["correction_high"]), 0.0, w)


def reduced(batch, rows, o):
    """From the losses of tokens, group by group, to one."""
    S = samples(batch)
    sums = [row[s["mask"]].sum() for row, s in zip(rows, S)]
    counts = [int(s["mask"].sum()) for s in S]
    if o["reduction"] == "token_mean":
        return sum(sums) / max(sum(counts), 1)
    if o["reduction"] == "sequence_mean":
        return sum(x / c for x, c in zip(sums, counts) if c) / len(S)
    if o["reduction"] == "sequence_sum":
        return sum(sums) / o["horizon"] / len(S)
    total, at = 0, 0
    for g in batch["groups"]:
        n = len(g["rollouts"])
        c = sum(counts[at:at + n])
        total += sum(sums[at:at + n]) / c if c else 0
        at += n
    return total / len(batch["groups"])


def total_loss(algo, batch, adv, chosen, o):
    S = samples(batch)
    if o["loss"] in ("gspo", "gmpo", "luspo"):
        return sum(sequence_loss(s, A, o) for s, A in zip(S, adv) if s["mask"].any()) / len(S)
    rows = []
    for s, A, (marks, focus) in zip(S, adv, chosen):
        row = token_losses(algo, s, A, o, marks) * weights_of(s, o)
        row = np.where(focus, row, 0)
        if o["beta"] > 0 and o["kl_in"] == "loss":
            row = row + o["beta"] * kl_of(o["kl"], s["lp"] - s["ref_logp"])
        if o["drift"] > 0:                                                   # CPGD
            row = row + o["drift"] * sg(cmin(np.exp(s["lp"] - s["old_logp"]) - 1, o["drift_cap"] + 0j)) * s["lp"]
        row = row - o["entropy_bonus"] * s["H"]
        rows.append(row)
    return reduced(batch, rows, o)


def value_loss(batch, rets, o):
    rows = []
    for s, R in zip(samples(batch), rets):
        V, old = s["V"], s["old_values"]
        row = (V - R) ** 2
        if o["value_clip"] > 0:
            row = cmax(row, (old + clip(V - old, -o["value_clip"], o["value_clip"]) - R) ** 2)
        rows.append(row / 2)
    return reduced(batch, rows, o)


# ---- the cases -----------------------------------------------------------------------------------------------------------

SETTINGS = dict(
    outcome_weight=1.0, length_reward=0.0, reward_clip=0.0, overlong_penalty=0.0, overlong_horizon=20480,
    overlong_buffer=4096, baseline="group_mean", scale="group_std", std_ddof=1, std_epsilon=1e-6, adora_lambda=1.0,
    adora_success_above=0.5, adora_max_tokens=4094, clip_filter_cap=0.0, score_clip=0.0, gamma=1.0,
    whiten="none", whiten_ddof=0, value_clip=0.2, ratio_level="token", ratio_anchor="old", correction="none",
    correction_level="token", correction_low=0.0, correction_high=2.0, entropy_bonus=0.0, entropy_top_share=1.0,
    beta=0.0, kl="k3", kl_in="loss", drift=0.0, drift_cap=2.0, reduction="sequence_mean", horizon=1.0,
    token_rewards=False, clip_low=0.2, clip_high=0.2)
SETTINGS["lambda"] = 0.95
PG = dict(loss="nll", scale="none", reduction="sequence_sum")

PAPERS = {
    "grpo": dict(loss="ppo", beta=0.04),
    "dr_grpo": dict(loss="ppo", scale="none", reduction="sequence_sum"),
    "dapo": dict(loss="ppo", clip_high=0.28, overlong_penalty=1.0, reduction="token_mean"),
    "gspo": dict(loss="gspo", clip_low=3e-4, clip_high=4e-4),
    "gmpo": dict(loss="gmpo", clip_low=0.4, clip_high=0.4),
    "luspo": dict(loss="luspo", clip_low=2e-3, clip_high=2.5e-3),
    "cispo": dict(loss="cispo", clip_low=1.0, clip_high=4.0, reduction="token_mean"),
    "sapo": dict(loss="sapo", tau_positive=1.0, tau_negative=1.05),
    "dppo": dict(loss="dppo", divergence="binary_tv", clip_low=0.15, clip_high=0.15, ratio_cap=20.0,
                 reduction="token_mean"),
    "clip_cov": dict(loss="clip_cov", cov_share=2e-4, cov_low=1.0, cov_high=5.0, reduction="token_mean"),
    "kl_cov": dict(loss="kl_cov", cov_share=2e-4, cov_coef=1.0, reduction="token_mean"),
    "lite_ppo": dict(loss="ppo", scale="batch_std", reduction="token_mean"),
    "max_rl": dict(PG, scale="group_mean", std_epsilon=0.0),
    "gpg": dict(PG, clip_filter_cap=1e9, reduction="token_mean"),
    "opo": dict(PG, baseline="length_weighted"),
    "cpgd": dict(loss="cpg", std_epsilon=1e-9, drift=0.01, reduction="group_mean"),
    "adora": dict(loss="ppo", adora_lambda=0.1),
    "mm_eureka": dict(loss="ppo", std_epsilon=1e-9, score_clip=10.0, ratio_cap=3.0),
    "mm_eureka_rloo": dict(loss="ppo", baseline="leave_one_out", scale="none", score_clip=10.0, whiten="full"),
    "ppo": dict(loss="ppo", baseline="critic", scale="none", whiten="full", kl="k1", kl_in="reward",
                reduction="token_mean"),
    "reinforce": dict(PG, baseline="none"),
    "reinforce_pp": dict(loss="ppo", baseline="none", scale="none", whiten="full", beta=0.01, kl="k1", kl_in="reward",
                         reduction="token_mean"),
    "reinforce_pp_baseline": dict(loss="ppo", scale="none", whiten="full", beta=0.001, kl="k2",
                                  reduction="token_mean"),
    "rloo": dict(PG, baseline="leave_one_out", beta=0.03, kl="k1", kl_in="outcome"),
    "remax": dict(PG, baseline="greedy"),
    "on_policy_distillation": dict(loss="importance", outcome_weight=0.0, baseline="none", scale="none", gamma=0.0,
                                   beta=1.0, kl="k1", kl_in="reward", reduction="token_mean"),
    "sft": dict(loss="nll", reduction="token_mean"),
}
ALL_IN_BAND = dict(cov_share=1.0, cov_low=0.05, cov_high=50.0)
MORE = {
    "grpo/k1": ("grpo", dict(kl="k1", beta=0.2)), "grpo/k2": ("grpo", dict(kl="k2", beta=0.2)),
    "grpo/abs": ("grpo", dict(kl="abs", beta=0.2)),
    "grpo/k3_in_reward": ("grpo", dict(kl_in="reward", beta=0.2, gamma=0.9)),
    "grpo/abs_in_outcome": ("grpo", dict(kl="abs", kl_in="outcome", beta=0.2)),
    "grpo/k2_in_reward": ("grpo", dict(kl="k2", kl_in="reward", beta=0.1)),
    "grpo/group_mean": ("grpo", dict(reduction="group_mean")),
    "grpo/horizon": ("grpo", dict(reduction="sequence_sum", horizon=7.0)),
    "grpo/dual_clip": ("grpo", dict(dual_clip=1.5, beta=0.0)),
    "grpo/truncate_tokens": ("grpo", dict(correction="truncate", beta=0.0)),
    "grpo/truncate_sequences": ("grpo", dict(correction="truncate", correction_level="sequence",
                                             correction_low=0.5, correction_high=1.5)),
    "grpo/mask_tokens": ("grpo", dict(correction="mask", correction_low=0.8, correction_high=1.3)),
    "grpo/mask_sequences": ("grpo", dict(correction="mask", correction_level="geometric", correction_low=0.9,
                                         correction_high=1.1)),
    "grpo/entropy_bonus": ("grpo", dict(entropy_bonus=0.05)),
    "grpo/entropy_top": ("grpo", dict(entropy_top_share=0.2)),
    "grpo/drift": ("grpo", dict(drift=0.5, drift_cap=0.2)),
    "grpo/critic": ("grpo", {"baseline": "critic", "scale": "none", "critic": True, "lambda": 0.8, "gamma": 0.97,
                             "value_clip": 0.0}),
    "grpo/sampler": ("grpo", dict(ratio_anchor="sampler")),
    "grpo/population_std": ("grpo", dict(std_ddof=0, std_epsilon=1e-4)),
    "grpo/gamma": ("grpo", dict(gamma=0.9, token_rewards=True)),
    "grpo/moving_average": ("grpo", dict(baseline="moving_average", scale="batch_std")),
    "dr_grpo/horizon": ("dr_grpo", dict(horizon=3000.0)),
    "dapo/overlong": ("dapo", dict(overlong_horizon=6, overlong_buffer=4, overlong_penalty=0.7)),
    "dapo/length": ("dapo", dict(length_reward=-0.1, reward_clip=0.6)),
    "dapo/product": ("dapo", dict(ratio_level="product")),
    "cispo/sequence": ("cispo", dict(ratio_level="sequence", clip_low=0.01, clip_high=0.01)),
    "cispo/both_bounds": ("cispo", dict(clip_low=0.2, clip_high=0.28)),
    "sapo/sequence": ("sapo", dict(ratio_level="sequence", tau_negative=2.0)),
    "dppo/kl": ("dppo", dict(divergence="binary_kl", clip_low=0.05, clip_high=0.05)),
    "dppo/capped": ("dppo", dict(clip_low=0.9, clip_high=0.9, ratio_cap=1.1)),
    "clip_cov/band": ("clip_cov", ALL_IN_BAND), "kl_cov/many": ("kl_cov", dict(cov_share=0.3, cov_coef=0.5)),
    "cpgd/clip_filter": ("cpgd", dict(scale="none", clip_filter_cap=3.0, reduction="token_mean")),
    "rloo/adora": ("rloo", dict(adora_lambda=0.3, adora_max_tokens=6, adora_success_above=0.9)),
    "rloo/whitened_mean": ("rloo", dict(whiten="mean", beta=0.0)),
    "reinforce/moving_average": ("reinforce", dict(baseline="moving_average")),
    "reinforce_pp/unbiased": ("reinforce_pp", dict(whiten_ddof=1)),
    "ppo/kl": ("ppo", dict(beta=0.05)), "ppo/adora": ("ppo", dict(adora_lambda=0.1, whiten="none")),
    "remax/score_clip": ("remax", dict(score_clip=0.3)),
    "sft/kl": ("sft", dict(beta=0.1, entropy_bonus=0.01)),
}


def run(name, changed, batches):
    o = {**SETTINGS, **PAPERS[name], **changed}
    out = dict(loss=[], advantages=[], d_logp=[])
    critic = o["baseline"] == "critic"
    for batch in batches:
        S = samples(batch)
        adv, rets = advantages(batch, o)
        if name == "sft":
            adv = [np.ones(len(s["mask"])) for s in S]
        chosen = selections(batch, adv, o)
        for s in S:
            s["lp"], s["H"] = s["logp"].astype(complex), s["entropy"].astype(complex)
            s["V"] = s["values"].astype(complex)
        f = lambda: complex(total_loss(name, batch, adv, chosen, o)) if chosen else complex("nan")
        out["loss"].append(f().real)

        def derivative(key, function):
            rows = []
            for s in S:
                row = np.zeros(len(s["mask"]))
                for t in np.flatnonzero(s["mask"]):
                    kept = s[key][t]
                    s[key][t] = kept + 1j * STEP
                    row[t] = function().imag / STEP
                    s[key][t] = kept
                rows.append(row)
            return np.concatenate(rows)

        out["d_logp"].append(derivative("lp", f))
        out["advantages"].append(np.concatenate([np.where(s["mask"], a, 0) for s, a in zip(S, adv)]))
        if o["entropy_bonus"]:
            out.setdefault("d_entropy", []).append(derivative("H", f))
        if critic:
            v = lambda: complex(value_loss(batch, rets, o))
            out.setdefault("value_loss", []).append(v().real)
            out.setdefault("d_values", []).append(derivative("V", v))
            out.setdefault("returns", []).append(np.concatenate(rets))
    flat = {}
    for key, rows in out.items():
        whole = key in ("loss", "value_loss")
        flat[key] = np.array(rows, np.float64) if whole else np.concatenate(rows).astype(np.float32)
    return flat


# ---- through a whole model ------------------------------------------------------------------------------------------------

def tiny_model():
    import torch
    from transformers import AutoModelForImageTextToText

    torch.set_num_threads(2)
    return AutoModelForImageTextToText.from_pretrained(
        os.path.join(HERE, "qwen2_5_vl"), attn_implementation="eager", dtype=torch.float64).eval()


def forward(model, s, temperature):
    """Log-probabilities and entropies of a response's tokens, of logits divided by the temperature."""
    import torch
    import torch.nn.functional as F

    ids = torch.tensor([s["prompt"] + s["response"]])
    logits = model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits[0, len(s["prompt"]) - 1:-1]
    lp = F.log_softmax(logits / temperature, -1)
    return lp.gather(1, ids[0, len(s["prompt"]):, None])[:, 0], -(lp.exp() * lp).sum(-1)


def draw_policies(model, rows, rng, temperature=1.0):
    """The policies that sampled, that were there before the update and that are the reference: around the model's own."""
    for s in rows:
        lp, entropy = forward(model, s, temperature)
        s["logp"], s["entropy"] = lp.detach().numpy(), entropy.detach().numpy()
        for key, width in (("old_logp", 0.25), ("sample_logp", 0.3), ("ref_logp", 0.4)):
            s[key] = (s["logp"] + width * rng.standard_normal(len(s["logp"]))).astype(np.float32).astype(float)


def gradient_norm(model, rows, out, temperature=1.0):
    """Norm of the gradient of all parameters, from the derivatives by log-probabilities and entropies in `out`."""
    import torch

    model.zero_grad()
    at, surrogate = 0, 0
    for s in rows:
        lp, entropy = forward(model, s, temperature)
        n = len(s["response"])
        surrogate = surrogate + (torch.tensor(out["d_logp"][at:at + n].astype(float)) * lp).sum()
        if "d_entropy" in out:
            surrogate = surrogate + (torch.tensor(out["d_entropy"][at:at + n].astype(float)) * entropy).sum()
        at += n
    surrogate.backward()
    return math.sqrt(sum(float((p.grad ** 2).sum()) for p in model.parameters() if p.grad is not None))


def write_model_golden(file, groups, found, **more):
    import torch
    import transformers

    kept = ("prompt", "response", "reward", "mask", "old_logp", "sample_logp", "ref_logp", "old_values")
    plain = lambda v: v.tolist() if isinstance(v, np.ndarray) else v
    rows = [dict(greedy=g["greedy"], rollouts=[{k: plain(s[k]) for k in kept} for s in g["rollouts"]]) for g in groups]
    versions = dict(torch=torch.__version__, transformers=transformers.__version__, numpy=np.__version__)
    with open(os.path.join(HERE, "algos", file), "w") as f:
        json.dump(dict(versions=versions, **more, groups=rows, algorithms=found), f, separators=(",", ":"))


def through_model():
    model = tiny_model()
    rng = np.random.default_rng(7)
    groups, rewards = [], [[1.0, 0.0, 0.5], [1.0, 1.0], [0.0], [0.0, 1.0]]
    for row in rewards:
        prompt = rng.integers(0, 300, rng.integers(3, 8)).tolist()
        rollouts = []
        for r in row:
            t = int(rng.integers(2, 8))
            mask = rng.random(t) < 0.85
            mask[0] = True
            rollouts.append(dict(prompt=prompt, response=rng.integers(0, 300, t).tolist(), reward=r, accuracy=r,
                                 truncated=False, mask=mask, token_rewards=np.zeros(t),
                                 values=rng.standard_normal(t), old_values=rng.standard_normal(t)))
        groups.append(dict(rollouts=rollouts, greedy=0.5))
    batch = dict(groups=groups, average=0.25)
    S = samples(batch)
    draw_policies(model, S, rng)
    for s in S:
        s["old_values"] = s["old_values"].astype(np.float32).astype(float)
    found = {}
    for name in PAPERS:
        changed = {"entropy_bonus": 0.01}                                    # so that the entropy's gradient is there too
        if name in ("clip_cov", "gspo", "gmpo", "luspo"):
            changed = dict(ALL_IN_BAND) if name == "clip_cov" else {}
        out = run(name, changed, [batch])
        found[name] = dict(set=changed, loss=float(out["loss"][0]), grad_norm=gradient_norm(model, S, out))
    write_model_golden("model.json", groups, found)


def main():
    batches = make_batches(np.random.default_rng(20240501))
    S = [s for b in batches for s in samples(b)]
    tokens = lambda key, kind: np.concatenate([s[key] for s in S]).astype(kind)
    tensors = dict(
        groups=np.array([len(g["rollouts"]) for b in batches for g in b["groups"]], np.int32),
        batch_groups=np.array([len(b["groups"]) for b in batches], np.int32),
        lengths=np.array([len(s["mask"]) for s in S], np.int32),
        reward=np.array([s["reward"] for s in S]), accuracy=np.array([s["accuracy"] for s in S]),
        greedy=np.array([g["greedy"] for b in batches for g in b["groups"]]),
        average=np.array([b["average"] for b in batches]),
        truncated=np.array([s["truncated"] for s in S], np.uint8), mask=tokens("mask", np.uint8),
        token_rewards=tokens("token_rewards", np.float64),
        **{k: tokens(k, np.float32) for k in (
            "logp", "old_logp", "sample_logp", "ref_logp", "entropy", "values", "old_values")})
    cases = {name: (name, {}) for name in PAPERS} | MORE
    described = {}
    for case, (name, changed) in cases.items():
        # Every algorithm's own setting runs on all batches, the others on every fourth.
        subset = batches if case == name else batches[::4]
        for key, value in run(name, changed, subset).items():
            tensors[f"{case}/{key}"] = value
        given = {k: v for k, v in changed.items() if k != "token_rewards"}
        described[case] = dict(algo=name, set=given, every=1 if case == name else 4,
                               token_rewards=bool(changed.get("token_rewards")))
    path = os.path.join(HERE, "algos", "oracle.safetensors")
    save_file(tensors, path, {"cases": json.dumps(described, sort_keys=True), "numpy": np.__version__})
    masked = sum(not s["mask"].any() for s in S)
    alone = sum(len(g["rollouts"]) == 1 for b in batches for g in b["groups"])
    flat = sum(len({s["reward"] for s in g["rollouts"]}) == 1 < len(g["rollouts"]) for b in batches for g in b["groups"])
    print(f"{len(batches)} batches, {len(S)} samples, {len(tensors['logp'])} tokens; {masked} samples all masked, "
          f"{alone} groups of one, {flat} of equal rewards; {len(cases)} cases, {os.path.getsize(path)} bytes; "
          f"clip_cov is not random on {np.isfinite(tensors['clip_cov/loss']).sum()} batches")


if __name__ == "__main__":
    main()
    through_model()
