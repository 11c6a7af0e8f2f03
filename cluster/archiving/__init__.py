"""How the archive is laid out (docs/stores.md, The archive's files).

archive.sqlite        a row a block: header, signature, where its bytes are; answers by request key; kinds by height
archive/bytes-*       the blocks' events and answers one behind the other, each followed by its facts as columns
archive/accounts-*    event numbers by (venue, account), sorted, over a range of events; merged, a level at a time
"""
