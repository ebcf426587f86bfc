"""Every kind of problem that ground truth can have: how grave it is, what it is called, what to do."""

from __future__ import annotations

from typing import NamedTuple

from htr_exp.groundtruth.model import Severity


class Kind(NamedTuple):
    """A kind of problem."""

    severity: Severity
    title: str
    remedy: str


_LOOK = "look at them, and correct what is wrong where the transcription was made"
_EXPORT = "export it again from where it was transcribed"

CODES: dict[str, Kind] = {
    # what a run refuses
    "no_pages": Kind("error", "folders without a page", "name the folder that holds PAGE or ALTO files beside their images"),
    "folder_unreadable": Kind("error", "folders that cannot be read", "change their permissions (chmod), or move them away"),
    "not_well_formed": Kind("error", "files that cannot be read as XML", f"{_EXPORT}, or leave it aside with dataset.exclude"),
    "unit_not_pixel": Kind("error", "files that do not measure in pixels", "export them again in pixels, or leave them aside with dataset.exclude"),
    "several_pages": Kind("error", "files of several pages", "write a file for each page, beside its image, or leave them aside with dataset.exclude"),
    "image_claimed_twice": Kind("error", "several XML files of one image", "choose by dataset.pattern or dataset.exclude; `check --fix` keeps the one with the most lines"),
    "image_missing": Kind("error", "images that are not there", "put the image beside the XML, under the name that it gives, or export the pages together with their images"),
    "image_outside": Kind("error", "images outside the dataset's folder", "copy the image beside the XML"),
    "image_unreadable": Kind("error", "images that cannot be read", "save the image again as JPEG or PNG, in RGB or grey"),
    "image_not_fetched": Kind("error", "images that were never fetched", "fetch them: `git lfs pull` or `git annex get .` in the repository that the pages came from, or download them again"),
    "too_many_points": Kind("error", "outlines with too many points", "draw them again with fewer points: a line needs some dozens"),
    "no_layout": Kind("error", "folders without a layout", "name a folder of PAGE or ALTO"),
    "page_of_line_unknown": Kind("error", "line images whose name does not tell their page", "dataset.metadata=FILE and dataset.page_of_line=COLUMN, or dataset.page_of_line=folder; docs/ground-truth.md has the names that tell it"),
    "text_of_several_images": Kind("error", "texts of several images", "choose by dataset.pattern or dataset.exclude: one image for each text"),
    "text_unreadable": Kind("error", "texts that cannot be read", "save them in UTF-8, for example with `iconv -f cp1252 -t utf-8`, if they are in Windows-1252"),
    # what is left out, and counted
    "not_ground_truth": Kind("dropped", "XML files that are no pages", "nothing, if they are METS or the like; else " + _EXPORT),
    "page_not_there": Kind("dropped", "pages that a METS file lists and that are not there", "fetch them, or take them out of the METS file"),
    "hidden_file": Kind("dropped", "hidden files", "delete them: file managers leave them behind"),
    "line_pairs": Kind("dropped", "line pairs", "nothing, if the pages hold these lines; else dataset.format=line_pairs reads the pairs instead of XML"),
    "xml_beside_pairs": Kind("dropped", "XML files beside line pairs", "nothing, if the pairs are what you want; else dataset.format=xml reads XML instead"),
    "image_without_text": Kind("dropped", "images without a text", "write what the line says into a .gt.txt of the image's name, or take the image away"),
    "text_without_image": Kind("dropped", "texts without an image", "put the image of the line beside it, under its name, or take the text away"),
    "text_of_several_lines": Kind("dropped", "texts of more than one line", "write what the image shows on one line, or leave it aside with dataset.exclude"),
    "text_with_control": Kind("dropped", "texts with control characters", "take them out: they came from another program"),
    "page_without_text": Kind("dropped", "pages with nothing to use", "transcribe them, or take them away"),
    "line_without_baseline": Kind("dropped", "lines without a baseline", "draw the baselines, let the transcription software find them, or delete the lines"),
    "line_without_polygon": Kind("dropped", "lines without a polygon", "let the transcription software compute the line's mask"),
    "line_without_text": Kind("dropped", "lines without text", "transcribe them, or delete them"),
    "line_too_small": Kind("dropped", "lines too small to read", "delete them, or draw them again"),
    "line_turns_back": Kind("dropped", "baselines that turn back on themselves", "draw them again"),
    "line_outside_image": Kind("dropped", "lines that leave the image", "draw them again, within the image"),
    "region_without_polygon": Kind("dropped", "regions without a shape", "draw them, or delete them; their lines are used"),
    "duplicate_line_id": Kind("dropped", "lines with the id of another", "give each line an id of its own; `check --fix` does"),
    # what is used, and worth a look
    "image_elsewhere": Kind("warning", "images found elsewhere", "put the images beside their XML; `check --fix` does"),
    "image_by_stem": Kind("warning", "images found by the XML's own name", "name the image in the XML; `check --fix` does"),
    "image_name_case": Kind("warning", "image names in other case", "write the image's name as the file has it; `check --fix` does"),
    "image_name_spelled": Kind("warning", "image names written otherwise than the file is called", "write the image's name as the file has it; `check --fix` does"),
    "image_other_ending": Kind("warning", "images with another ending than their XML says", "look whether it is the same image; `check --fix` writes its name into the XML"),
    "image_without_xml": Kind("warning", "images without a page", "transcribe them, or take them away"),
    "image_derived": Kind("warning", "pictures made of those of pages", "nothing: a page is read from the picture that it names itself"),
    "image_twice": Kind("warning", "images with the same bytes", "nothing: a split keeps them on one side"),
    "image_rotated": Kind("warning", "images turned by EXIF", "save them upright: programs differ in what they do with the mark"),
    "image_truncated": Kind("warning", "images that seem cut short", "copy them again from where they came"),
    "size_mismatch": Kind("warning", "images of another size than their XML says", "look whether the lines lie on the writing: the image may have been replaced"),
    "byte_order_mark": Kind("warning", "files that begin with a byte order mark", "nothing here; `check --fix` writes them without"),
    "text_in_utf_16": Kind("warning", "texts in UTF-16", "nothing here: kraken is given copies in UTF-8; kraken alone would leave them out"),
    "text_beside_gt_txt": Kind("warning", "second texts of images", "look whether the right one is read: .gt.txt goes before .txt"),
    "page_in_several_folders": Kind("warning", "pages of one name in several folders", "nothing, if they are different pages; else move the lines of a page into one folder, or use dataset.page_of_line"),
    "doctype": Kind("warning", "files with a DOCTYPE", "nothing here; `check --fix` writes them without"),
    "file_name_unusual": Kind("warning", "file names that other tools trip over", "rename them, if other tools are to read them"),
    "kraken_reads_otherwise": Kind("warning", "kraken alone would read these files differently", "nothing here: kraken is given copies that hold exactly the lines counted; `check --fix` writes such copies"),
    "line_without_id": Kind("warning", "lines without an id", "nothing here: they are called line_N; `check --fix` writes it"),
    "line_without_type": Kind("warning", "lines without a type", "give them one, if types matter to you"),
    "region_without_type": Kind("warning", "regions without a type", "give them one, if types matter to you"),
    "duplicate_region_id": Kind("warning", "regions with the id of another", "nothing here; `check --fix` writes unique ids"),
    "tag_unknown": Kind("warning", "tags that are not defined", "define them in the file's <Tags>, or export it again"),
    "text_of_several": Kind("warning", "lines with several transcriptions", "look whether the right one is read: dataset.text_equiv takes another; `check --fix` keeps the one that is read, and lists the others"),
    "text_not_first": Kind("warning", "lines of which a later transcription is read", "nothing here: kraken is given copies with the text that is read; kraken alone would read the first"),
    "text_index_mixed": Kind("warning", "lines that nobody may have corrected", "correct them, or leave their pages aside with dataset.exclude: LAREX writes what it recognises as index 1 and what is corrected as index 0"),
    "text_from_words": Kind("warning", "lines whose text was put together from words", "look whether the blanks are right"),
    "text_without_blanks": Kind("warning", "lines whose words have no blanks between them in the file", "look whether the blanks are right: ALTO writes them as <SP>, and kraken alone would join the words"),
    "text_with_hyphen": Kind("warning", "lines with a hyphen at the end that ALTO writes by itself", "nothing, if the hyphen is to be read, as it is in the picture; dataset.hyphens=false leaves it out, as kraken alone does"),
    "text_without_hyphen": Kind("warning", "lines whose hyphen at the end is left out", "nothing, if you meant dataset.hyphens=false: the hyphen is in the picture, and not in the text"),
    "text_with_outer_space": Kind("warning", "texts that begin or end with a blank", "`check --fix` takes the blanks away"),
    "text_with_odd_space": Kind("warning", "texts with white space that is no blank", "`check --fix` writes blanks"),
    "text_with_double_space": Kind("warning", "texts with several blanks in a row", "`check --fix` writes single blanks"),
    "text_with_invisible": Kind("warning", "texts with invisible characters", "`check --fix` takes them away"),
    "text_with_private_use": Kind("warning", "texts with characters for private use", "nothing to do if you typed these MUFI signs on purpose: a model learns them like any other"),
    "text_with_unknown": Kind("warning", "texts with characters that stand for nothing", "write what the manuscript has: something was lost on the way"),
    "text_in_no_normal_form": Kind("warning", "texts in no Unicode normal form", "nothing: training.normalization brings them into one"),
    "text_forms_mixed": Kind("warning", "texts in different Unicode normal forms", "set training.normalization (NFC or NFD), or every accented letter is learnt twice"),
    "baseline_right_to_left": Kind("warning", "baselines drawn from right to left", _LOOK),
    "polygon_crosses_itself": Kind("warning", "polygons that cross themselves", _LOOK),
    "pages_alike": Kind("warning", "pages that are nearly the same", "look which one is meant; a split that parts them is refused"),
}  # fmt: skip
"""Code -> kind, the gravest first."""
