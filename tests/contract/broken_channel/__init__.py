"""A channel that does everything wrong, so that the kit which certifies channels can be seen to notice.

``m2n certify tests/contract/broken_channel`` fails in every category. It is no installed channel.
"""
