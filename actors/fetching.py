"""Memory asked for before it is read: a row of a large table is otherwise waited for longer than it is worked on."""

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

LINE_BYTES = 64


@intrinsic
def fetch(context: Any, array: Any, offset: Any) -> Any:
    """Tells the processor that the bytes so far behind the begin of an array will be used soon; changes nothing."""

    def generate(target: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        number, word, pointer = ir.IntType(32), ir.IntType(64), ir.IntType(8).as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [pointer, number, number, number])
        ask = builder.module.declare_intrinsic("llvm.prefetch", [pointer], kind)
        data = target.make_array(signature.args[0])(target, builder, arguments[0]).data
        address = builder.inttoptr(builder.add(builder.ptrtoint(data, word), arguments[1]), pointer)
        write_kept_data = [ir.Constant(number, value) for value in (1, 3, 1)]
        builder.call(ask, [address, *write_kept_data])
        return ir.Constant(word, 0)

    return types.int64(array, types.int64), generate
