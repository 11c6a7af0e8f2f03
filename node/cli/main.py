"""The commands of `breakwater`, one line each. What a command needs is imported when it runs."""

import typer

from node.cli import (
    backing_up,
    benchmarking,
    books,
    botting,
    checking,
    explaining,
    gatewaying,
    health,
    keeping,
    loading,
    margins,
    ordering,
    publishing,
    replaying,
    serving,
    sharding,
    simulating,
    statements,
    subaccounts,
    takeovers,
    trading,
    versions,
    voiding,
    watching,
)
from node.cli.guard import GuardedGroup
from node.cli.keys import keys

app = typer.Typer(
    name="breakwater",
    cls=GuardedGroup,
    help="A perpetual-futures exchange node: run it, trade on it, replay a crash through it, check what it did.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

app.command()(serving.up)
app.command()(serving.status)
app.command()(gatewaying.gateway)
app.command()(health.health)
app.command()(replaying.replay)
app.command()(checking.conformance)
app.command()(checking.audit)
app.command()(explaining.explain)
app.command()(voiding.void)
app.command()(backing_up.backup)
app.command()(backing_up.restore)
app.command("verify-backup")(backing_up.verify_backup)
app.command()(keeping.prune)
app.command()(keeping.export)
app.command()(publishing.publish)
app.command()(loading.load)
app.command()(trading.deposit)
app.command("open")(trading.open_)
app.command()(trading.close)
app.command()(trading.positions)
app.command()(trading.pool)
app.command()(ordering.order)
app.command()(ordering.amend)
app.command()(ordering.cancel)
app.command()(ordering.leverage)
app.command()(ordering.estimate)
app.command()(books.book)
app.command()(books.trades)
app.command()(margins.margin)
app.command()(margins.vault)
app.command()(subaccounts.subaccount)
app.command()(subaccounts.transfer)
app.command()(versions.position)
app.command()(versions.repay)
app.command()(versions.version)
app.command()(takeovers.liquidate)
app.command("quote-liquidation")(takeovers.quote_liquidation)
app.command()(takeovers.liquidatable)
app.command()(takeovers.liquidators)
app.command()(botting.bot)
app.command()(statements.statement)
app.command()(statements.liquidations)
app.command()(watching.watch)
app.command()(checking.receipt)
app.command()(checking.verify)
app.add_typer(keys, name="keys")
app.add_typer(sharding.shards, name="shards")
app.command()(serving.warm)
app.command()(simulating.simulate)
app.command()(benchmarking.bench)
