"""Files of weights as others write them, one format a file: read into `Content`, under the file's own names.

No file is believed. Its code is never run; every size that it declares is held against the bytes that are there before
anything is allocated; what is left is a ValueError of one line.
"""
