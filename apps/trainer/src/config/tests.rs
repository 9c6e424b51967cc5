use super::*;
use std::{fs, path::Path};

fn file(dir: &Path, name: &str, text: &str) -> PathBuf {
    let path = dir.join(name);
    fs::write(&path, text).unwrap();
    path
}

fn set(argument: &str) -> Result<Resolved, String> {
    resolve(None, &[], &[argument.into()], &Extensions::default()).map_err(|e| e.to_string())
}

#[track_caller]
fn refused(text: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    let path = file(dir.path(), "run.toml", text);
    let message = resolve(
        None,
        std::slice::from_ref(&path),
        &[],
        &Extensions::default(),
    )
    .unwrap_err()
    .to_string();
    message
        .strip_prefix(&path.display().to_string())
        .expect("the file comes first")
        .to_owned()
}

#[test]
fn layers_merge_from_left_to_right() {
    let dir = tempfile::tempdir().unwrap();
    let first = "[train]\nsteps = 7\nepochs = 2\n[eval]\nevery = 3\n[reward]\nparts = [{ rule = \"answer_format\" }]";
    let files = [
        file(dir.path(), "a.toml", first),
        file(
            dir.path(),
            "b.toml",
            "[train]\nsteps = 9\n[reward]\nparts = [{ rule = \"answer_exact\" }]",
        ),
    ];
    let base = "name = \"base\"\n[train]\nmini_batches = 4\nsteps = 1";
    let sets = [
        "eval.every=5",
        "optim.lr=1e-3",
        "name=other",
        "model.system=\"a.b=c\"",
    ];
    let got = resolve(
        Some(base),
        &files,
        &sets.map(String::from),
        &Extensions::default(),
    )
    .unwrap();
    let RunConfig {
        train,
        eval,
        optim,
        name,
        model,
        reward,
        ..
    } = got.run;
    assert_eq!((train.steps, train.epochs, train.mini_batches), (9, 2, 4));
    assert_eq!((eval.every, optim.lr, name.as_str()), (5, 1e-3, "other"));
    assert_eq!(model.system, "a.b=c");
    assert_eq!(reward.parts.len(), 1, "arrays are replaced");
    assert_eq!(reward.parts[0].rule, "answer_exact");
    assert_eq!(got.demo, None);
    assert_eq!(got.table["train"]["steps"], Value::Integer(9));
}

#[test]
fn a_bare_word_or_what_only_looks_like_a_number_is_text() {
    assert_eq!(set("name=7").unwrap().run.name, "7");
    assert_eq!(
        set("data.train=a/b.jsonl").unwrap().run.data.train,
        "a/b.jsonl"
    );
    assert_eq!(set("demo.train=3").unwrap().demo.unwrap().train, 3);
    assert_eq!(
        set("reward.parts=[{rule=\"answer_exact\"}]")
            .unwrap()
            .run
            .reward
            .parts
            .len(),
        1
    );
}

#[test]
fn an_unknown_key_is_named_with_its_line_and_the_nearest_name() {
    let message = refused("name = \"x\"\n\n[train]\nstep = 5\n");
    assert!(
        message.starts_with(":4: unknown key `train.step`"),
        "{message}"
    );
    assert!(message.contains("`train.steps`"), "{message}");
    let section = refused("[optimm]\nlr = 1.0\n");
    assert!(
        section.starts_with(":1: ") && section.contains("`optim`"),
        "{section}"
    );
    let moved = refused("lr = 1.0\n");
    assert!(moved.contains("did you mean `optim.lr`?"), "{moved}");
    let nested = refused("[rollout.sampling]\ntemprature = 1.0\n");
    assert!(
        nested.starts_with(":2: ") && nested.contains("`rollout.sampling.temperature`"),
        "{nested}"
    );
    let part = refused("[[reward.parts]]\nrule = \"answer_exact\"\nwheight = 2\n");
    assert!(
        part.starts_with(":3: ") && part.contains("reward.parts[0].weight"),
        "{part}"
    );
    let demo = refused("[demo]\ntrian = 2\n");
    assert!(
        demo.starts_with(":2: ") && demo.contains("`demo.train`"),
        "{demo}"
    );
    let argument = set("train.stepz=5").unwrap_err();
    assert!(
        argument.starts_with("--set train.stepz=5: unknown key"),
        "{argument}"
    );
}

#[test]
fn a_wrong_type_names_key_found_and_expected() {
    let message = refused("[optim]\nbeta1 = 0.9\nlr = \"fast\"\n");
    assert_eq!(
        message,
        ":3: `optim.lr` is string \"fast\", expected a number"
    );
    let message = refused("[train]\nsteps = -1\n");
    assert_eq!(
        message,
        ":2: `train.steps` is integer `-1`, expected a whole number, 0 or more"
    );
    let message = refused("train = 3\n");
    assert!(
        message.starts_with(":1: `train` is integer `3`, expected "),
        "{message}"
    );
    let message = refused("[train]\nactivation_recompute = \"blok\"\n");
    assert!(
        message.starts_with(":2: `train.activation_recompute` is `blok`"),
        "{message}"
    );
    assert!(message.contains("did you mean `block`?"), "{message}");
    let message = set("train.steps=many").unwrap_err();
    assert!(
        message.starts_with("--set train.steps=many: `train.steps` is string"),
        "{message}"
    );
}

#[test]
fn the_algorithm_decides_its_options() {
    let message = refused("[algo]\nname = \"gpro\"\n");
    assert!(
        message.starts_with(":2: `algo.name` is `gpro`"),
        "{message}"
    );
    assert!(message.contains("did you mean `grpo`?"), "{message}");
    let message = refused("[algo]\nname = \"grpo\"\nclip_hihg = 0.3\n");
    assert!(
        message.starts_with(":3: unknown key `algo.clip_hihg`"),
        "{message}"
    );
    assert!(message.contains("`algo.clip_high`"), "{message}");
    let message = refused("[algo]\nbeta = 0.1\nkl = \"k4\"\n");
    assert!(
        message.starts_with(":3: `algo.kl` is `k4`") && message.contains("k3"),
        "{message}"
    );
    let message = refused("[algo]\nbeta = true\n");
    assert_eq!(
        message,
        ":2: `algo.beta` is boolean `true`, expected a number"
    );
    let message = refused("[algo]\nbeta = -1.0\n");
    assert_eq!(message, ":2: algo.beta is -1, expected 0 or more");
    assert_eq!(
        set("algo.beta=0").unwrap().run.algo.options["beta"],
        Value::Float(0.0)
    );
}

#[test]
fn another_algorithm_starts_its_section_anew() {
    let dir = tempfile::tempdir().unwrap();
    let base = "[algo]\nname = \"mm_eureka\"\nratio_cap = 5.0\nscore_clip = 7.0\nclip_low = 0.3\nbeta = 0.5";
    let base = file(dir.path(), "base.toml", base);
    let top = "extends = \"base.toml\"\n[algo]\nname = \"cpgd\"\ndrift = 0.5\nclip_low = 0.1";
    let top = file(dir.path(), "top.toml", top);
    let resolved = |file: &PathBuf, sets: &[&str]| {
        let sets: Vec<String> = sets.iter().map(|s| (*s).to_owned()).collect();
        resolve(
            None,
            std::slice::from_ref(file),
            &sets,
            &Extensions::default(),
        )
        .unwrap()
    };
    let got = resolved(&top, &[]);
    let option = |got: &Resolved, key: &str| got.run.algo.options[key].as_float().unwrap();
    assert_eq!(got.run.algo.name, "cpgd");
    assert_eq!((option(&got, "drift"), option(&got, "beta")), (0.5, 0.0));
    assert_eq!(
        option(&got, "score_clip"),
        0.0,
        "a shared setting is not carried either"
    );
    assert_eq!(
        got.notes,
        [format!(
            "{}:3: the algorithm is `cpgd` instead of `mm_eureka`, whose options are not carried: \
             beta = 0.5, ratio_cap = 5.0, score_clip = 7.0",
            top.display()
        )]
    );
    // What goes on top of the change is of the new algorithm, whichever `--set` stands first.
    for sets in [
        ["algo.drift=0.25", "algo.name=cpgd"],
        ["algo.name=cpgd", "algo.drift=0.25"],
    ] {
        let got = resolved(&base, &sets);
        assert_eq!(
            (option(&got, "drift"), got.notes.len()),
            (0.25, 1),
            "{sets:?}"
        );
        assert!(
            got.notes[0].starts_with("--set algo.name=cpgd: the algorithm is"),
            "{:?}",
            got.notes
        );
    }
    // The same name, however it is spelled, changes nothing.
    let got = resolved(&base, &["algo.name=MM-Eureka"]);
    assert_eq!((option(&got, "ratio_cap"), got.notes.len()), (5.0, 0));
    // An option of the earlier algorithm on top of the change is refused where it stands.
    let sets = ["algo.name=cpgd", "algo.ratio_cap=2.0"].map(String::from);
    let error = resolve(None, &[base], &sets, &Extensions::default())
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("--set algo.ratio_cap=2.0: unknown key `algo.ratio_cap`"),
        "{error}"
    );
}

#[test]
fn other_refusals_name_the_place() {
    let message = refused("name = \"x\"\ntrain = [\n");
    assert!(message.contains("not TOML"), "{message}");
    let message = refused("[[reward.parts]]\nrule = \"exact\"\n");
    assert!(
        message.contains("`exact`") && message.contains("answer_exact"),
        "{message}"
    );
    let message = refused("[demo]\nsft = [{ rows = 3, looking_share = 1.5 }]\n");
    assert!(
        message.starts_with(":2: ") && message.contains("1.5, expected 0 to 1"),
        "{message}"
    );
    let missing = resolve(None, &["no/such.toml".into()], &[], &Extensions::default())
        .unwrap_err()
        .to_string();
    assert!(missing.starts_with("no/such.toml: "), "{missing}");
    assert!(
        set("train.steps")
            .unwrap_err()
            .contains("expected key.path=value")
    );
    assert!(
        set("train..steps=1")
            .unwrap_err()
            .contains("expected key.path=value")
    );
}

#[test]
fn the_resolved_configuration_resolves_to_itself() {
    let dir = tempfile::tempdir().unwrap();
    let base = "name = \"x\"\n[algo]\nname = \"grpo\"\nbeta = 0\n[optim]\nbeta1 = 0.95\n\
                [demo]\neval = 4\nsft = [{ rows = 8, looking_share = 0.3 }]\n\
                [[reward.parts]]\nrule = \"answer_exact\"\n";
    let first = resolve(Some(base), &[], &["seed=9".into()], &Extensions::default()).unwrap();
    let text = to_toml(&first);
    let path = file(dir.path(), "config.toml", &text);
    let again = resolve(None, &[path], &[], &Extensions::default()).unwrap();
    assert_eq!((&again.run, &again.demo), (&first.run, &first.demo));
    assert_eq!(to_toml(&again), text);
    for line in [
        "clip_high = 0.2",
        "warmup_steps = 0",
        "beta1 = 0.95",
        "[demo]",
    ] {
        assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
    }
}

#[test]
fn the_schema_knows_types_defaults_and_names() {
    let schema = schema(&Extensions::default());
    let property = |path: &str| {
        let pointer: String = path
            .split('.')
            .map(|key| format!("/properties/{key}"))
            .collect();
        schema
            .pointer(&pointer)
            .unwrap_or_else(|| panic!("{path} is missing"))
            .clone()
    };
    let beta1 = property("optim.beta1");
    assert_eq!(
        (&beta1["type"], &beta1["default"]),
        (&serde_json::json!("number"), &serde_json::json!(0.9))
    );
    assert!(
        beta1["description"].as_str().is_some_and(|d| d.len() > 10),
        "the comment of the field: {beta1}"
    );
    assert_eq!(beta1.as_object().unwrap().len(), 3, "nothing else: {beta1}");
    assert_eq!(property("train.steps")["minimum"], 0);
    assert_eq!(
        property("train.activation_recompute")["enum"],
        serde_json::json!(["block", "none"])
    );
    assert_eq!(
        property("algo")["oneOf"][0]["properties"]["kl"]["enum"][2],
        "k3"
    );
    assert_eq!(
        property("demo.sft")["items"]["required"][1],
        "looking_share"
    );
    assert_eq!(schema["properties"]["train"]["additionalProperties"], false);
}

#[test]
fn a_file_goes_on_top_of_those_it_extends() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("base")).unwrap();
    file(
        dir.path(),
        "base/a.toml",
        "name = \"a\"\n[train]\nsteps = 1\nepochs = 2",
    );
    file(
        dir.path(),
        "base/b.toml",
        "extends = \"a.toml\"\n[train]\nsteps = 2\nmini_batches = 4",
    );
    file(dir.path(), "base/c.toml", "[train]\nmini_batches = 8");
    let top = "extends = [\"base/b.toml\", \"base/c.toml\"]\nname = \"top\"";
    let top = file(dir.path(), "top.toml", top);
    let run = resolve(
        None,
        std::slice::from_ref(&top),
        &[],
        &Extensions::default(),
    )
    .unwrap()
    .run;
    assert_eq!(
        (run.train.steps, run.train.epochs, run.train.mini_batches),
        (2, 2, 8)
    );
    assert_eq!(run.name, "top");
    let refused = |path: &Path| {
        let error = resolve(None, &[path.to_owned()], &[], &Extensions::default()).unwrap_err();
        error.to_string()
    };
    let broken = file(dir.path(), "d.toml", "extends = \"no.toml\"");
    let message = refused(&broken);
    assert!(
        message.contains("d.toml: extends ") && message.contains("no.toml, which does not exist"),
        "{message}"
    );
    let cycle = file(dir.path(), "e.toml", "extends = \"e.toml\"");
    assert!(refused(&cycle).contains("e.toml: extends itself"));
    let number = file(dir.path(), "f.toml", "extends = 3");
    assert!(refused(&number).contains("expected paths"));
    let unknown = file(dir.path(), "base/a.toml", "[train]\nstep = 1");
    let message = refused(&top);
    let place = format!("{}:2: ", unknown.display());
    assert!(
        message.contains(&place),
        "the file that is wrong is named: {message}"
    );
}

#[test]
fn advice_names_keys_that_there_are() {
    let schema = schema(&Extensions::default());
    let knows = |key: &str| {
        let mut places = vec![&schema];
        for name in key.split('.') {
            // The options of an algorithm are in the branch of its name.
            let branches = places.iter().filter_map(|place| place["oneOf"].as_array());
            let branches: Vec<_> = branches.flatten().collect();
            places.extend(branches);
            places = places
                .iter()
                .map(|place| &place["properties"][name])
                .collect();
            places.retain(|place| !place.is_null());
        }
        !places.is_empty()
    };
    assert!(knows("optim.lr") && !knows("filter.mask_truncated"));
    let mut found = 0;
    for pattern in run_log::diagnostics::PATTERNS {
        let words = pattern.advice.split([' ', '(', ')', ',', ':', '`']);
        for word in words.filter(|word| word.contains('.')) {
            found += 1;
            assert!(knows(word), "{}: {word}", pattern.name);
        }
    }
    assert!(found >= 5, "{found} keys");
}
