"""stub replaced below"""
def merge_files(network, table): pass
