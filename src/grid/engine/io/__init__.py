"""Results in the forms that people and other programs read: labelled arrays, files, pictures.

xarray, zarr and Matplotlib are loaded by the functions that need them, never by importing the engine.
"""
