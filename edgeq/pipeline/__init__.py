"""The steps as one story; the only room that writes run folders.

deploy  = resolve -> prepare (quantise, convert, plan, image) -> build -> flash -> verify -> bench -> report
verify  = the ledger alone, from the files of a run or from a bare .tflite
bench   = the latency alone, of whatever a board's flash holds
"""
