"""One file an algorithm, in the order of the book.

Discrete actions: `bc_discrete`, `dqn`, `qr_dqn`, `cql_qr_dqn`. Continuous ones: `bc`, `td3`,
`td3_bc`, `sac`, `cql_sac`, and `cql_lagrange`, what the authors' code can switch on besides.

Each is a module with a frozen dataclass `Config`, a `State`, and pure functions:

    init(key, config, spec)            -> State
    update(state, batch, key, config)  -> State, metrics       one gradient step
    act(state, observations, config)   -> actions: indices, or in [-max_action, max_action]
    value(state, observations, config) -> what the critic believes that `act` is worth

so that `offline_tutor.training.train(td3_bc, dataset)` takes the module itself; cloning has no
critic, hence no `value`. `State.step` counts the updates; a metric that an update did not compute
is NaN. Training online also asks for `explore`, which cloning and TD3+BC, offline methods, lack.
Where several steps at once are faster, a module may also have

    round_length(config)                       -> how many
    update_round(state, batches, keys, config) -> State, metrics   means over them
"""
