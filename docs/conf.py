"""How Sphinx builds the site: ``make docs``; nothing of it is loaded from elsewhere."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

DOCS = Path(__file__).resolve().parent
sys.path[:0] = [str(DOCS.parent), str(DOCS / 'extensions')]
warnings.filterwarnings('ignore', module='nni')     # NNI 3.0 on a newer PyTorch

from nni_rankreg import __version__  # noqa: E402  (of this folder, not of one that is installed)

project = 'nni_rankreg'
author = 'The nni_rankreg developers'
copyright = author
release = version = __version__

extensions = ['sphinx.ext.autodoc', 'sphinx.ext.autosummary', 'sphinx.ext.napoleon',
              'sphinx.ext.viewcode', 'myst_parser', 'sphinx_copybutton', 'sphinx_design',
              'sphinx_gallery.gen_gallery', 'mathml', 'tables', 'ours']
templates_path = ['_templates']
exclude_patterns = ['_build', 'tutorials', '**sg_execution_times.rst']  # the last is from elsewhere
default_role = 'py:obj'     # single backticks name what is documented here, or are set in italics

html_theme = 'furo'
html_title = f'nni_rankreg {version}'
html_copy_source = False
html_static_path = ['_static']
html_css_files = ['site.css']

autosummary_generate = True
autosummary_imported_members = True
autosummary_ignore_module_all = False
autodoc_default_options = {'show-inheritance': True}
autodoc_inherit_docstrings = False
autodoc_member_order = 'bysource'
autodoc_typehints = 'description'
autodoc_typehints_description_target = 'documented_params'
autodoc_class_signature = 'mixed'
python_maximum_signature_line_length = 88
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True
suppress_warnings = ['ref.python']       # attributes of several classes have one name

myst_enable_extensions = ['colon_fence', 'deflist']
myst_heading_anchors = 3
copybutton_exclude = '.linenos, .gp, .go'

sphinx_gallery_conf = {
    'examples_dirs': 'tutorials', 'gallery_dirs': 'generated/tutorials',
    'filename_pattern': '/', 'download_all_examples': False, 'show_memory': False,
    'remove_config_comments': True, 'abort_on_example_error': True, 'plot_gallery': 'True',
    'within_subsection_order': 'FileNameSortKey', 'show_signature': False,
    'reset_modules': ('matplotlib', 'tutorial.quiet')}
